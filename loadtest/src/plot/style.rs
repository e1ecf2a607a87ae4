//! The style of charts in light and dark themes, and the escaping of text.

/// The colours of both themes.
pub(crate) const THEMES: &str = "\
:root{color-scheme:light dark;--card:#fff;--page:#f5f6f8;--ink:#1b2129;--soft:#5c6773;--grid:#e7eaee;--fine:#f2f4f6;--edge:#dde1e6;\
--c0:#2563c9;--c1:#d07a12;--c2:#c2325c;--c3:#12866f;--asked:#8b95a1;--good:#12866f;--bad:#c2325c}\
@media (prefers-color-scheme:dark){:root{--card:#141a21;--page:#0c1015;--ink:#e8edf2;--soft:#94a1ae;--grid:#252d36;--fine:#1b222a;\
--edge:#2a333d;--c0:#6ca6ff;--c1:#f0a850;--c2:#ff7f9f;--c3:#4fcfb2;--asked:#7d8894;--good:#4fcfb2;--bad:#ff7f9f}}";

/// The style of the drawing.
pub(crate) const PLOT: &str = "\
.plot{display:block;width:100%;height:auto;font-family:Inter,system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif;\
font-variant-numeric:tabular-nums}\
.plot text{fill:var(--ink);font-size:12px}.plot .title{font-size:15px;font-weight:600}.plot .tick,.plot .name{fill:var(--soft)}\
.plot .name{font-size:11.5px}.plot .value{font-weight:600;stroke:var(--card);stroke-width:4px;paint-order:stroke;stroke-linejoin:round}\
.plot .note{fill:var(--soft);stroke:var(--card);stroke-width:4px;paint-order:stroke;stroke-linejoin:round}\
.card{fill:var(--card);stroke:var(--edge)}.grid{stroke:var(--grid);fill:none}.fine{stroke:var(--fine)}.axis{stroke:var(--asked);fill:none}\
.mark{stroke:var(--soft);stroke-dasharray:2 4;fill:none}.line{fill:none;stroke-width:2;stroke-linejoin:round;stroke-linecap:round}\
.area{stroke:none;opacity:.13}.line.c0{stroke:var(--c0)}.line.c1{stroke:var(--c1)}.line.c2{stroke:var(--c2)}.line.c3{stroke:var(--c3)}\
.area.c0,.dot.c0{fill:var(--c0)}.area.c1,.dot.c1{fill:var(--c1)}.area.c2,.dot.c2{fill:var(--c2)}.area.c3,.dot.c3{fill:var(--c3)}\
.dot{stroke:var(--card);stroke-width:1.5}.line.dashed{stroke:var(--asked);stroke-width:1.5;stroke-dasharray:5 4;stroke-linecap:butt}";

/// Text as the content or an attribute of an element. Characters that XML forbids become question marks.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(letter),
            letter if letter.is_control() || matches!(letter, '\u{fffe}' | '\u{ffff}') => out.push('?'),
            letter => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_text() {
        // Proves that no text of a report can become an element, an attribute or an invalid document.
        assert_eq!(escape(r#"<a href="x">&'"#), "&lt;a href=&quot;x&quot;&gt;&amp;&#39;");
        assert_eq!(escape("a\u{0}b\u{1b}c\td\u{ffff}µ"), "a?b?c\td?µ");
    }

    #[test]
    fn every_colour_is_there_in_both_themes() {
        // Proves that every colour that is used is defined, in the light and in the dark theme.
        let (light, dark) = THEMES.split_once("@media").unwrap();
        for used in PLOT.split("var(").skip(1) {
            let name = used.split_once(')').unwrap().0;
            assert!([light, dark].iter().all(|theme| theme.contains(&format!("{name}:"))), "{name}");
        }
    }
}
