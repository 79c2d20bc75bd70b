"""The style sheet of all pages: light and dark, narrow and wide, on screens and on paper."""

from __future__ import annotations

import re
from collections.abc import Mapping

from tbft_edge.pages.markup import Markup, element
from tbft_edge.pages.palette import DARK, HEATS, LIGHT, SERIES, variables

_PAGE = """
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--page);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,
"Helvetica Neue","Noto Sans","DejaVu Sans",sans-serif;overflow-wrap:anywhere}
main{max-width:1140px;margin:0 auto;padding:28px 20px 48px}
h1{font-size:1.7rem;line-height:1.2;margin:0 0 6px;letter-spacing:-.01em}
h2{font-size:1.15rem;margin:40px 0 12px}
h3{font-size:.95rem;margin:0}
p{margin:6px 0}
.soft,.note{color:var(--soft)}
.note{font-size:.86rem;line-height:1.4;margin:2px 0 0}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,210px),1fr));gap:12px;margin:22px 0 0}
.card{background:var(--surface);border:1px solid var(--line);border-radius:10px;padding:14px 16px;min-width:0}
.tile .name{color:var(--soft);font-size:.86rem}
.tile .figure{font-size:1.45rem;line-height:1.25;font-weight:600;margin:2px 0;font-variant-numeric:tabular-nums}
.badge{display:inline-block;border:1px solid currentColor;border-radius:99px;padding:0 8px;font-size:.75rem;
font-weight:600;color:var(--warn);vertical-align:middle;white-space:nowrap}
.warnings{list-style:none;margin:16px 0 0;padding:10px 16px;border-left:4px solid var(--warn);
background:var(--warned);border-radius:4px}
.warnings li{margin:4px 0}
.warnings b{color:var(--warn)}
.plots{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,330px),1fr));gap:14px}
.pair{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,440px),1fr));gap:14px;margin-top:14px}
figure{margin:0;break-inside:avoid}
figcaption{margin-bottom:10px}
svg{display:block;width:100%;max-width:460px;height:auto;font-family:inherit}
"""
_TABLES = """
table{border-collapse:collapse;width:100%;font-size:.9rem;font-variant-numeric:tabular-nums}
th,td{text-align:right;padding:5px 0 5px 14px;white-space:nowrap;border-bottom:1px solid var(--line);vertical-align:top}
th:first-child,td:first-child{text-align:left;padding-left:0;white-space:normal}
th small,.range{display:block;font-weight:400;color:var(--soft)}
.range,.wrapped{white-space:normal}
.whole{display:inline-block;max-width:100%}
th.wrapped,td.wrapped{min-width:5em}
tbody th:first-child{min-width:6em}
td .badge{display:table;margin-left:auto;border-collapse:separate}
thead th{color:var(--soft);font-weight:500;overflow-wrap:normal;white-space:normal;vertical-align:bottom;
border-bottom-color:var(--edge)}
tbody th{font-weight:500}
details{margin-top:14px}
summary{cursor:pointer;color:var(--accent)}
summary+*{margin-top:10px}
.tables{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,440px),1fr));gap:14px;align-items:start}
dl{display:grid;grid-template-columns:minmax(104px,34%) 1fr;gap:5px 14px;margin:0;font-size:.9rem}
dt{color:var(--soft)}
dd{margin:0}
h3+dl,h3+table,section>.note{margin-bottom:8px}
h3+dl,h3+table{margin-top:8px}
.card>.note+table{margin-top:8px}
section>.card+.card,section>.plots+.card{margin-top:14px}
svg+svg{margin-top:4px}
footer{margin-top:36px;font-size:.86rem;color:var(--soft)}
@media screen and (max-width:920px){
main{padding:18px 12px 32px}
.card{padding:12px}
th,td{padding-left:8px}
.stacking thead{position:absolute;clip-path:inset(50%);width:1px;height:1px;overflow:hidden}
.stacking,.stacking tbody,.stacking tr,.stacking th,.stacking td{display:block}
.stacking tr{padding:8px 0;border-bottom:1px solid var(--edge)}
.stacking th,.stacking td{border:0;padding:2px 0}
.stacking tbody th{font-weight:600}
.stacking td .badge{display:inline-block;margin:0}
.stacking td{display:flex;white-space:normal;justify-content:flex-end;gap:8px}
.stacking td::before{content:attr(data-name);color:var(--soft);text-align:left;margin-right:auto;flex:none}
}
"""
_CHARTS = """
text{fill:var(--ink)}
.tick{fill:var(--soft)}
.strong,.mark-name,.right{font-weight:600}
.mark-name,.halo{paint-order:stroke;stroke:var(--surface);stroke-width:4px}
.grid{stroke:var(--line);fill:none}
.edge,.frame,.arrow{stroke:var(--edge);fill:none}
.mark-line{stroke:var(--ink);stroke-width:1.2;stroke-dasharray:3 3;fill:none}
.s{fill:none;stroke-width:2;stroke-linejoin:round;stroke-linecap:round}
.mark{stroke-width:1.8}
.ring{fill:var(--surface);stroke:var(--soft);stroke-width:2}
.dot{stroke:var(--surface);stroke-width:1}
.span{stroke-width:2.5;fill:none}
.span.better{stroke:var(--c0)}
.span.worse{stroke:var(--c1);stroke-dasharray:3 2}
.dot.better{fill:var(--c0)}
.dot.worse{fill:var(--c1)}
.box{fill:none;stroke:var(--edge);stroke-dasharray:3 3}
.trained{fill:var(--h1);stroke:var(--c0);stroke-width:2.5;stroke-dasharray:none}
.rest{fill:var(--line);stroke:var(--edge)}
.hatch{stroke:var(--surface);stroke-width:1.2;fill:none}
.patterns{position:absolute;width:0;height:0}
"""
_PRINT = """
@page{margin:14mm}
@media print{
body{font-size:10.5pt;background:none}
main{max-width:none;padding:0}
h2,section>.note{break-after:avoid}
h2{margin-top:22px}
.card{break-inside:avoid;padding:8px 10px}
.plots{grid-template-columns:1fr 1fr}
.tables,.pair{grid-template-columns:1fr 1fr}
table,dl{font-size:8pt}
th,td{padding-left:8px}
th:first-child{min-width:7em}
.tile .figure{font-size:1.15rem}
.tiles{grid-template-columns:repeat(4,1fr)}
tr{break-inside:avoid}
details{display:none}
}
"""
# Drawn over the areas of series 1 to 7; series 0 is plain.
_HATCHES = (
    "M-1 7L7-1M-1 1L1-1M5 7L7 5",
    "M-1-1L7 7M5-1L7 1M-1 5L1 7",
    "M0 3H6",
    "M3 0V6",
    "M0 3H6M3 0V6",
    "M2 3h2",
    "M0 1.5H6M0 4.5H6",
)


def chart_style(palette: Mapping[str, str]) -> str:
    """What charts need outside of a page, in fixed colours."""
    return re.sub(r"var\(--(\w+)\)", lambda name: palette[name[1]], _CHARTS + _series())


def style_sheet() -> str:
    """All of it."""
    light, dark = variables(LIGHT), variables(DARK)
    schemes = (
        f":root{{color-scheme:light dark;{light}}}"
        f"@media (prefers-color-scheme:dark){{:root{{{dark}}}}}"
        # Paper is white, whatever the screen was.
        f"@media print{{:root{{color-scheme:light;{light}}}}}"
    )
    return schemes + _PAGE + _TABLES + _CHARTS + _series() + _PRINT


def patterns() -> Markup:
    """The patterns that areas are filled with, once for the whole page."""
    drawn = [
        element(
            "pattern",
            element("path", d=path, class_="hatch"),
            id=f"hatch{series}",
            width=6,
            height=6,
            patternUnits="userSpaceOnUse",
        )
        for series, path in enumerate(_HATCHES, start=1)
    ]
    return element("svg", element("defs", *drawn), class_="patterns", width=0, height=0, aria_hidden="true")


def _series() -> str:
    rules = [
        f".s{i}{{stroke:var(--c{i})}}.f{i},.m{i}{{fill:var(--c{i})}}.m{i}{{stroke:var(--c{i})}}" for i in range(SERIES)
    ]
    rules += [f".p{i}{{fill:url(#hatch{i})}}" for i in range(1, SERIES)]
    rules += [f".h{i}{{fill:var(--h{i})}}.t{i}{{fill:var(--t{i})}}" for i in range(HEATS)]
    # After the fills of points, which hollow ones do not have.
    return "".join(rules) + ".mark.hollow,.mark.hollow path{fill:var(--surface)}"
