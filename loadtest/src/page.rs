//! A report as an HTML page: figures, charts, the table of facts and the report itself, in one self-contained file.
//! The reports provide the contents.

use crate::arguments::PageArguments;
use crate::exit::Failure;
use crate::plot::Chart;
use crate::plot::style::{self, escape};
use anyhow::Context as _;
use std::path::Path;

/// The style of the page without its charts.
const PAGE: &str = "\
*{box-sizing:border-box}body{margin:0;background:var(--page);color:var(--ink);font:15px/1.5 Inter,system-ui,-apple-system,'Segoe UI',Roboto,\
'Helvetica Neue',Arial,sans-serif;font-variant-numeric:tabular-nums}main{max-width:1040px;margin:0 auto;padding:40px 20px 64px}\
h1{margin:0;font-size:26px;letter-spacing:-.01em}h2{margin:0 0 10px;font-size:15px}p{margin:4px 0 0;color:var(--soft)}\
.verdict{display:inline-block;margin-top:14px;padding:3px 12px;border-radius:14px;border:1px solid;font-size:13px;font-weight:600}\
.good{color:var(--good)}.bad{color:var(--bad)}\
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(116px,1fr));gap:12px;margin:24px 0}\
.box,.tile{background:var(--card);border:1px solid var(--edge);border-radius:10px}.tile{padding:12px 16px}.box{padding:16px;margin:16px 0}\
.plots{padding:8px;overflow-x:auto}.plots .plot{min-width:640px}.tile b{display:block;white-space:nowrap;font-size:22px;font-weight:650;letter-spacing:-.01em}.tile span{font-size:12.5px;color:var(--soft)}\
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:13.5px}\
td,th{padding:6px 10px;border-top:1px solid var(--grid);text-align:left;vertical-align:top;overflow-wrap:anywhere}\
tr:first-child>*{border-top:0}.facts th{width:150px;font-weight:500;color:var(--soft);white-space:nowrap}\
.steps td,.steps th{text-align:right;white-space:nowrap}.steps th{color:var(--soft);font-weight:500}.steps .knee td{font-weight:650}\
summary{cursor:pointer;font-size:13.5px;color:var(--soft)}pre{margin:12px 0 0;font-size:12px;line-height:1.45;white-space:pre-wrap;\
overflow-wrap:anywhere}\
@media (max-width:560px){main{padding:24px 12px 40px}.tile{padding:10px 12px}.tile b{font-size:18px}.facts th{width:92px;white-space:normal}}";

/// A prominent figure.
#[derive(Clone, Debug)]
pub(crate) struct Tile {
    pub(crate) figure: String,
    pub(crate) name: &'static str,
}

/// Steps of a sweep.
#[derive(Clone, Debug, Default)]
pub(crate) struct Steps {
    pub(crate) head: Vec<&'static str>,
    /// Rows, each with a flag for the one that was searched for.
    pub(crate) rows: Vec<(Vec<String>, bool)>,
}

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    pub(crate) title: String,
    pub(crate) subtitle: String,
    /// Whether the run succeeded, and a sentence about it.
    pub(crate) verdict: (bool, String),
    pub(crate) tiles: Vec<Tile>,
    /// The first chart is that of latencies.
    pub(crate) charts: Vec<Chart>,
    pub(crate) steps: Steps,
    pub(crate) facts: Vec<(&'static str, String)>,
    /// The report as JSON.
    pub(crate) json: String,
}

impl PageArguments {
    /// Checks before a run that the files can be written after it.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        for (option, file) in [("--report", &self.report), ("--svg", &self.svg)] {
            let Some(file) = file else { continue };
            let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
            if file.is_dir() || !folder.unwrap_or_else(|| Path::new(".")).is_dir() {
                return Err(Failure::usage(format!("{option}: cannot write {}", file.display())));
            }
        }
        Ok(())
    }

    /// Writes the requested files.
    pub(crate) fn write(
        &self,
        page: impl FnOnce() -> Result<Page, anyhow::Error>,
    ) -> Result<(), anyhow::Error> {
        if self.report.is_none() && self.svg.is_none() {
            return Ok(());
        }
        let page = page()?;
        if let Some(file) = &self.report {
            std::fs::write(file, page.html()).with_context(|| format!("cannot write {}", file.display()))?;
        }
        if let (Some(file), Some(chart)) = (&self.svg, page.charts.first()) {
            std::fs::write(file, chart.standalone())
                .with_context(|| format!("cannot write {}", file.display()))?;
        }
        Ok(())
    }
}

impl Page {
    pub(crate) fn html(&self) -> String {
        let (title, subtitle) = (escape(&self.title), escape(&self.subtitle));
        let (is_good, verdict) = &self.verdict;
        let class = if *is_good { "good" } else { "bad" };
        let mut out = vec![format!(
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
             content=\"width=device-width,initial-scale=1\"><title>{title}</title><style>{}{}{PAGE}</style></head>\n<body><main>\
             <h1>{title}</h1><p>{subtitle}</p><div class=\"verdict {class}\">{}</div>\n",
            style::THEMES,
            style::PLOT,
            escape(verdict)
        )];
        out.push("<div class=\"tiles\">".to_owned());
        for Tile { figure, name } in &self.tiles {
            out.push(format!(
                "<div class=\"tile\"><b>{}</b><span>{}</span></div>",
                escape(figure),
                escape(name)
            ));
        }
        out.push("</div>\n".to_owned());
        for chart in &self.charts {
            out.push(format!("<div class=\"box plots\">{}</div>\n", chart.inline()));
        }
        out.push(self.steps.html());
        out.push("<div class=\"box\"><h2>Facts</h2><table class=\"facts\">".to_owned());
        for (name, text) in &self.facts {
            out.push(format!("<tr><th>{}</th><td>{}</td></tr>", escape(name), escape(text)));
        }
        out.push(format!(
            "</table></div>\n<details class=\"box\"><summary>The report as JSON</summary><pre id=\"report\">{}</pre></details>\n\
             </main></body></html>\n",
            escape(&self.json)
        ));
        out.concat()
    }
}

impl Steps {
    fn html(&self) -> String {
        if self.rows.is_empty() {
            return String::new();
        }
        let mut out = vec!["<div class=\"box wide\"><h2>Steps</h2><table class=\"steps\"><tr>".to_owned()];
        for name in &self.head {
            out.push(format!("<th>{}</th>", escape(name)));
        }
        out.push("</tr>".to_owned());
        for (cells, is_knee) in &self.rows {
            out.push(if *is_knee { "<tr class=\"knee\">" } else { "<tr>" }.to_owned());
            for cell in cells {
                out.push(format!("<td>{}</td>", escape(cell)));
            }
            out.push("</tr>".to_owned());
        }
        out.push("</table></div>\n".to_owned());
        out.concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::charts;
    use std::path::PathBuf;

    fn page() -> Page {
        Page {
            title: "uniform".to_owned(),
            subtitle: "a </style> & more".to_owned(),
            verdict: (false, "the audit found <something>".to_owned()),
            tiles: vec![Tile { figure: "1.5M".to_owned(), name: "per second" }],
            charts: vec![charts::latencies("latency", &[])],
            steps: Steps { head: vec!["asked"], rows: vec![(vec!["5".to_owned()], true)] },
            facts: vec![("machine", "2 cores".to_owned())],
            json: r#"{"a":"</pre><script>alert(1)</script>"}"#.to_owned(),
        }
    }

    #[test]
    fn a_page_needs_nothing_and_runs_nothing() {
        // Proves that no text becomes markup, and that the page loads nothing.
        let html = page().html();
        for foreign in ["<script", "src=", "href=", "@import", "url(", "<link", "http://", "https://"] {
            let found = html.replace("http://www.w3.org/2000/svg", "").contains(foreign);
            assert!(!found, "{foreign}");
        }
        assert_eq!(html.matches("</style>").count(), 1);
        assert!(html.contains("&lt;/pre&gt;&lt;script&gt;") && html.contains("nothing was measured"));
        assert!(html.contains("verdict bad") && html.contains("<tr class=\"knee\"><td>5</td>"));
    }

    #[test]
    fn files_are_written_where_they_can_be() {
        // Proves that both files are written, and that a missing directory is reported before the run.
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| Some(folder.path().join(name));
        let arguments = PageArguments { report: path("a.html"), svg: path("a.svg") };
        arguments.check().unwrap();
        arguments.write(|| Ok(page())).unwrap();
        assert!(std::fs::read_to_string(arguments.report.unwrap()).unwrap().ends_with("</html>\n"));
        assert!(std::fs::read_to_string(arguments.svg.unwrap()).unwrap().ends_with("</svg>"));
        for report in [path("nowhere/a.html"), Some(folder.path().to_owned())] {
            assert!(PageArguments { report, svg: None }.check().is_err());
        }
        assert!(PageArguments { report: None, svg: Some(PathBuf::from("a.svg")) }.check().is_ok());
        PageArguments::default().write(|| panic!("no page was requested")).unwrap();
    }
}
