<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>
<qgis version="3.22.0" styleCategories="Symbology">
  <renderer-v2 type="RuleRenderer" symbollevels="0" forceraster="0" enableorderby="0">
    <rules key="{6d6f0c1e-0000-4000-8000-000000000000}">
      <rule key="{6d6f0c1e-0000-4000-8000-000000000001}" symbol="0" label="$label" filter="coalesce(&quot;status&quot;, '') &lt;&gt; 'rejected'"/>
    </rules>
    <symbols>
      <symbol type="line" name="0" alpha="1" clip_to_extent="1"><layer class="SimpleLine" enabled="1" locked="0" pass="0"><prop k="line_color" v="$rgb,255"/><prop k="line_width" v="0.26"/><prop k="line_width_unit" v="MM"/><prop k="line_style" v="solid"/><prop k="capstyle" v="round"/><prop k="joinstyle" v="round"/></layer></symbol>
    </symbols>
  </renderer-v2>
</qgis>
