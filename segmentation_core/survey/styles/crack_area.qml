<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>
<qgis version="3.22.0" styleCategories="Symbology">
  <renderer-v2 type="RuleRenderer" symbollevels="0" forceraster="0" enableorderby="0">
    <rules key="{6d6f0c1e-0000-4000-8000-000000000000}">
      <rule key="{6d6f0c1e-0000-4000-8000-000000000001}" symbol="0" label="$label" filter="coalesce(&quot;status&quot;, '') &lt;&gt; 'rejected'"/>
    </rules>
    <symbols>
      <symbol type="fill" name="0" alpha="1" clip_to_extent="1"><layer class="SimpleFill" enabled="1" locked="0" pass="0"><prop k="color" v="$rgb,90"/><prop k="outline_style" v="no"/><prop k="style" v="solid"/></layer></symbol>
    </symbols>
  </renderer-v2>
</qgis>
