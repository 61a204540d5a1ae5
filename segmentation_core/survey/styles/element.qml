<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>
<qgis version="3.22.0" styleCategories="Symbology|Labeling|Temporal" labelsEnabled="1">
  <renderer-v2 type="singleSymbol" symbollevels="0" forceraster="0" enableorderby="0">
    <symbols>
      <symbol type="fill" name="0" alpha="1" clip_to_extent="1" force_rhr="0"><layer class="SimpleLine" enabled="1" locked="0" pass="0"><prop k="line_color" v="255,255,255,170"/><prop k="line_width" v="1.2"/><prop k="line_width_unit" v="MM"/><prop k="line_style" v="solid"/><prop k="capstyle" v="square"/><prop k="joinstyle" v="miter"/></layer><layer class="SimpleLine" enabled="1" locked="0" pass="0"><prop k="line_color" v="35,35,35,255"/><prop k="line_width" v="0.5"/><prop k="line_width_unit" v="MM"/><prop k="line_style" v="solid"/><prop k="capstyle" v="square"/><prop k="joinstyle" v="miter"/></layer></symbol>
    </symbols>
  </renderer-v2>
  <labeling type="simple">
    <settings calloutType="simple">
      <text-style fieldName="elem_id" isExpression="0" fontSize="10" fontSizeUnit="Point" fontWeight="63" namedStyle="Bold" textColor="35,35,35,255" textOpacity="1" multilineHeight="1" blendMode="0">
        <text-buffer bufferDraw="1" bufferSize="1" bufferSizeUnits="MM" bufferColor="255,255,255,255" bufferOpacity="0.85" bufferJoinStyle="128" bufferNoFill="1" bufferBlendMode="0"/>
      </text-style>
      <placement placement="1" quadOffset="4" centroidWhole="0" centroidInside="1" fitInPolygonOnly="0" priority="5"/>
      <rendering drawLabels="1" displayAll="0" obstacle="0" scaleVisibility="0"/>
    </settings>
  </labeling>
</qgis>
