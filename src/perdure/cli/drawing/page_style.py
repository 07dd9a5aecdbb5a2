"""How a page looks: one style for light and dark, wide and narrow."""

from typing import Final

STYLE: Final = """
:root{color-scheme:light dark;--paper:#fbfaf7;--card:#fff;--ink:#1d2126;--soft:#646b75;--line:#e4e1d9;--track:#efece5;
--result:#3f7fc1;--schema:#a8559b;--system:#6d63b8;--user:#cf8a2b;--said:#3f9a6b;--thinking:#bfa52e;--call:#2b9aa0;
--media:#c4574f;--other:#9da3ab;--good:#2f8f5b;--bad:#c0473f}
@media(prefers-color-scheme:dark){:root{--paper:#14171b;--card:#1b1f25;--ink:#e8e6e1;--soft:#9aa2ad;--line:#2b3038;
--track:#262b32;--result:#5f9ddc;--schema:#c47ab8;--system:#9088da;--user:#e0a552;--said:#5fb98a;--thinking:#d6bf55;
--call:#4fb9bf;--media:#dc7a72;--other:#7b828c;--good:#5fb98a;--bad:#e0776f}}
*{box-sizing:border-box}body{margin:0;background:var(--paper);color:var(--ink);
font:15px/1.5 ui-sans-serif,system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;-webkit-text-size-adjust:100%}
main{max-width:1080px;margin:0 auto;padding:40px 20px 64px}
h1{font-size:15px;letter-spacing:.02em;margin:0;font-weight:650}h1 span{color:var(--soft);font-weight:400}
h2{font-size:19px;margin:44px 0 2px;font-weight:650;letter-spacing:-.01em}
h2+p,.soft{color:var(--soft)}p{margin:0 0 14px;max-width:72ch}
.big{font-size:clamp(34px,7vw,60px);font-weight:700;letter-spacing:-.035em;line-height:1.05;margin:22px 0 4px;
font-variant-numeric:tabular-nums}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(140px,1fr));gap:10px;margin:26px 0 0}
.card{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:12px 14px}
.card b{display:block;font-size:21px;font-weight:650;letter-spacing:-.02em;font-variant-numeric:tabular-nums}
.card span{color:var(--soft);font-size:13px}
.whole{display:flex;height:30px;border-radius:7px;overflow:hidden;gap:1px;background:var(--paper);margin:12px 0 14px}
.whole i{display:block;min-width:1px}
.rows{display:grid;gap:5px}
.row{display:grid;grid-template-columns:minmax(110px,170px) 1fr 72px 62px 76px;gap:10px;align-items:center;
font-variant-numeric:tabular-nums}
.row>*{overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
.row .n{text-align:right}.row.sub{font-size:13px;color:var(--soft)}.row.sub .name{padding-left:16px}
.track{background:var(--track);border-radius:4px;height:14px;overflow:hidden}.sub .track{height:8px}
.track i{display:block;height:100%;border-radius:4px;min-width:2px}
.plots{display:grid;grid-template-columns:repeat(auto-fill,minmax(300px,1fr));gap:14px}
figure{margin:0;background:var(--card);border:1px solid var(--line);border-radius:10px;padding:12px 14px 8px;min-width:0}
figcaption{display:flex;justify-content:space-between;gap:10px;font-size:13px;margin-bottom:6px}
figcaption b{font-weight:600;overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
figcaption span{color:var(--soft);white-space:nowrap;font-variant-numeric:tabular-nums}
svg{display:block;width:100%;height:auto;overflow:visible}
svg text{fill:var(--soft);font-size:10px;font-variant-numeric:tabular-nums}
.legend{display:flex;flex-wrap:wrap;gap:4px 16px;font-size:13px;color:var(--soft);margin:0 0 14px}
.legend i{display:inline-block;width:10px;height:10px;border-radius:3px;margin-right:6px}
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:13px;font-variant-numeric:tabular-nums}
th{font-weight:500;color:var(--soft);text-align:right;padding:6px 10px;border-bottom:1px solid var(--line);white-space:nowrap}
td{text-align:right;padding:6px 10px;border-bottom:1px solid var(--line);white-space:nowrap}
th:first-child,td:first-child{text-align:left;max-width:320px;overflow:hidden;text-overflow:ellipsis}
ul{padding-left:18px;color:var(--soft);margin:8px 0;max-width:80ch}li{margin:3px 0;overflow-wrap:anywhere}
footer{margin-top:52px;color:var(--soft);font-size:13px;border-top:1px solid var(--line);padding-top:14px}
.good{color:var(--good)}.bad{color:var(--bad)}
@media(max-width:640px){main{padding:24px 14px 48px}.row{grid-template-columns:minmax(86px,118px) 1fr 58px 54px;gap:8px;
font-size:13.5px}.row .money{display:none}.row.mono{grid-template-columns:minmax(86px,118px) 1fr 58px 60px}
.row.mono .money{display:block}.row.mono .share{display:none}.plots{grid-template-columns:1fr}}
@media print{figure,.card{break-inside:avoid}}
"""
"""No font, script or picture is loaded from anywhere."""
