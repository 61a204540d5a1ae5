<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>
<qgis version="3.22.0" styleCategories="Symbology|Labeling|Temporal">
  <renderer-v2 type="RuleRenderer" symbollevels="0" forceraster="0" enableorderby="0">
    <rules key="{6d6f0c1e-0000-4000-8000-000000000000}">
      <rule key="{6d6f0c1e-0000-4000-8000-000000000001}" symbol="0" label="$label" filter="coalesce(attribute('status'), '') &lt;> 'rejected'"/>
    </rules>
    <symbols>
      <symbol type="fill" name="0" alpha="1" clip_to_extent="1" force_rhr="0"><layer class="SimpleLine" enabled="1" locked="0" pass="0"><prop k="line_color" v="255,255,255,200"/><prop k="line_width" v="0.8"/><prop k="line_width_unit" v="MM"/><prop k="line_style" v="solid"/><prop k="capstyle" v="round"/><prop k="joinstyle" v="round"/></layer><layer class="SimpleFill" enabled="1" locked="0" pass="0"><prop k="color" v="$rgb,60"/><prop k="style" v="solid"/><prop k="outline_style" v="solid"/><prop k="outline_color" v="$rgb,255"/><prop k="outline_width" v="0.35"/><prop k="outline_width_unit" v="MM"/><prop k="joinstyle" v="round"/></layer><layer class="LinePatternFill" enabled="1" locked="0" pass="0"><prop k="angle" v="45"/><prop k="distance" v="1.2"/><prop k="distance_unit" v="MM"/><prop k="line_width" v="0.25"/><prop k="line_width_unit" v="MM"/><prop k="color" v="$rgb,255"/><prop k="offset" v="0"/><prop k="offset_unit" v="MM"/><prop k="coordinate_reference" v="feature"/><prop k="clip_mode" v="during_render"/><symbol type="line" name="@0@1" alpha="1" clip_to_extent="1" force_rhr="0"><layer class="SimpleLine" enabled="1" locked="0" pass="0"><prop k="line_color" v="$rgb,255"/><prop k="line_width" v="0.25"/><prop k="line_width_unit" v="MM"/><prop k="line_style" v="solid"/><prop k="capstyle" v="flat"/><prop k="joinstyle" v="bevel"/></layer></symbol></layer></symbol>
    </symbols>
  </renderer-v2>
  <temporal enabled="1" mode="2" startField="t_start" endField="t_end" startExpression="" endExpression="" durationField="" fixedDuration="0" durationUnit="min" accumulate="0" limitMode="0">
    <fixedRange><start></start><end></end></fixedRange>
  </temporal>
</qgis>
