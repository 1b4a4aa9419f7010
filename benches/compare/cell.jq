# One cell: of several results of `compare` (all rounds of one, or a round each), a figure of a server.
def median: sort | if length == 0 then null else .[length / 2 | floor] end;
def grouped: tostring | if test("^[0-9]{4,}$") then explode | reverse | [range(0; length; 3) as $i | .[$i:$i + 3]]
  | map(implode) | join(",") | explode | reverse | implode else . end;
def rounded: if . >= 100 then round | grouped elif . >= 10 then . * 10 | round / 10 | tostring else . * 100 | round / 100 | tostring end;
def unit($unit): {"/s": "/s", "ns": " ns", "us": " µs", "B": " B"}[$unit] // "";
[.[].result | . as $compare | ($compare.servers | index($server)) as $at | select($at != null)
  | .rows[] | select(.figure == $figure) | {unit, value: .values[$at], ratio: .advantage[$at]}]
| if length == 0 or all(.[]; .value == null) then "–" else
  ((map(.value.median // empty) | median | rounded) + unit(.[0].unit)) as $own
  | (map(.ratio // empty)) as $ratios
  | if $ratios == [] then $own else
      "**\($ratios | map(.median) | median | rounded)** (\($ratios | map(.min) | min | rounded)–\($ratios | map(.max) | max | rounded)); \($own)"
    end
  end
