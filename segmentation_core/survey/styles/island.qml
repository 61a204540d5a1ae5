<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>
<qgis version="3.22.0" styleCategories="Symbology|Labeling|Temporal">
  <renderer-v2 type="RuleRenderer" symbollevels="0" forceraster="0" enableorderby="0">
    <rules key="{6d6f0c1e-0000-4000-8000-000000000030}">
      <rule key="{6d6f0c1e-0000-4000-8000-000000000031}" symbol="0" label="Islands 岛块" filter="coalesce(attribute('status'), '') &lt;> 'rejected'"/>
    </rules>
    <symbols>
      <symbol type="fill" name="0" alpha="1" clip_to_extent="1" force_rhr="0"><layer class="SimpleFill" enabled="1" locked="0" pass="0"><prop k="color" v="$rgb,25"/><prop k="outline_color" v="$rgb,200"/><prop k="outline_width" v="0.2"/><prop k="outline_width_unit" v="MM"/><prop k="outline_style" v="dot"/><prop k="style" v="solid"/></layer></symbol>
    </symbols>
  </renderer-v2>
  <temporal enabled="1" mode="2" startField="t_start" endField="t_end" startExpression="" endExpression="" durationField="" fixedDuration="0" durationUnit="min" accumulate="0" limitMode="0">
    <fixedRange><start></start><end></end></fixedRange>
  </temporal>
</qgis>
