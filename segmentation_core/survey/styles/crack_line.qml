<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>
<qgis version="3.22.0" styleCategories="Symbology|Labeling|Temporal">
  <renderer-v2 type="RuleRenderer" symbollevels="0" forceraster="0" enableorderby="0">
    <rules key="{6d6f0c1e-0000-4000-8000-000000000000}">
      <rule key="{6d6f0c1e-0000-4000-8000-000000000001}" symbol="0" label="$label &lt; 0.3 mm" filter="coalesce(attribute('status'), '') &lt;> 'rejected' AND coalesce(&quot;wid_m&quot;, 0) * 1000 &lt; 0.3"/>
      <rule key="{6d6f0c1e-0000-4000-8000-000000000002}" symbol="1" label="$label 0.3 - 0.6 mm" filter="coalesce(attribute('status'), '') &lt;> 'rejected' AND coalesce(&quot;wid_m&quot;, 0) * 1000 >= 0.3 AND coalesce(&quot;wid_m&quot;, 0) * 1000 &lt; 0.6"/>
      <rule key="{6d6f0c1e-0000-4000-8000-000000000003}" symbol="2" label="$label 0.6 - 1 mm" filter="coalesce(attribute('status'), '') &lt;> 'rejected' AND coalesce(&quot;wid_m&quot;, 0) * 1000 >= 0.6 AND coalesce(&quot;wid_m&quot;, 0) * 1000 &lt; 1"/>
      <rule key="{6d6f0c1e-0000-4000-8000-000000000004}" symbol="3" label="$label ≥ 1 mm" filter="coalesce(attribute('status'), '') &lt;> 'rejected' AND coalesce(&quot;wid_m&quot;, 0) * 1000 >= 1"/>
    </rules>
    <symbols>
      <symbol type="line" name="0" alpha="1" clip_to_extent="1" force_rhr="0"><layer class="SimpleLine" enabled="1" locked="0" pass="0"><prop k="line_color" v="$rgb,255"/><prop k="line_width" v="0.18"/><prop k="line_style" v="solid"/><prop k="capstyle" v="round"/><prop k="joinstyle" v="round"/><prop k="line_width_unit" v="MM"/></layer></symbol>
      <symbol type="line" name="1" alpha="1" clip_to_extent="1" force_rhr="0"><layer class="SimpleLine" enabled="1" locked="0" pass="0"><prop k="line_color" v="$rgb,255"/><prop k="line_width" v="0.32"/><prop k="line_style" v="solid"/><prop k="capstyle" v="round"/><prop k="joinstyle" v="round"/><prop k="line_width_unit" v="MM"/></layer></symbol>
      <symbol type="line" name="2" alpha="1" clip_to_extent="1" force_rhr="0"><layer class="SimpleLine" enabled="1" locked="0" pass="0"><prop k="line_color" v="$rgb,255"/><prop k="line_width" v="0.55"/><prop k="line_style" v="solid"/><prop k="capstyle" v="round"/><prop k="joinstyle" v="round"/><prop k="line_width_unit" v="MM"/></layer></symbol>
      <symbol type="line" name="3" alpha="1" clip_to_extent="1" force_rhr="0"><layer class="SimpleLine" enabled="1" locked="0" pass="0"><prop k="line_color" v="$rgb,255"/><prop k="line_width" v="0.9"/><prop k="line_style" v="solid"/><prop k="capstyle" v="round"/><prop k="joinstyle" v="round"/><prop k="line_width_unit" v="MM"/></layer></symbol>
    </symbols>
  </renderer-v2>
  <temporal enabled="1" mode="2" startField="t_start" endField="t_end" startExpression="" endExpression="" durationField="" fixedDuration="0" durationUnit="min" accumulate="0" limitMode="0">
    <fixedRange><start></start><end></end></fixedRange>
  </temporal>
</qgis>
