<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>
<qgis version="3.22.0" styleCategories="Symbology|Labeling|Temporal">
  <renderer-v2 type="RuleRenderer" symbollevels="0" forceraster="0" enableorderby="0">
    <rules key="{6d6f0c1e-0000-4000-8000-000000000010}">
$rules
    </rules>
    <symbols>
$symbols
    </symbols>
  </renderer-v2>
  <temporal enabled="1" mode="2" startField="t_start" endField="t_end" startExpression="" endExpression="" durationField="" fixedDuration="0" durationUnit="min" accumulate="0" limitMode="0">
    <fixedRange><start></start><end></end></fixedRange>
  </temporal>
</qgis>
