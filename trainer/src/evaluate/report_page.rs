//! A Markdown page with a list of its sections.

use std::fmt::Write;

/// Sections of a page, in order.
#[derive(Default)]
pub struct ReportPage {
    titles: Vec<String>,
    text: String,
}

impl ReportPage {
    /// Adds a section with a text.
    pub fn section(&mut self, title: &str, text: &str) {
        self.titles.push(title.to_string());
        write!(self.text, "\n## {title}\n\n{}\n", text.trim_end()).expect("write to string");
    }

    /// Adds a subsection to the last section, with an optional text above its table.
    pub fn subsection(&mut self, title: &str, text: &str, table: &str) {
        let text = if text.is_empty() { String::new() } else { format!("{text}\n\n") };
        write!(self.text, "\n### {title}\n\n{text}{}\n", table.trim_end())
            .expect("write to string");
    }

    /// The whole page: introduction, links to the sections, sections.
    pub fn markdown(&self, introduction: &str) -> String {
        let link = |title: &String| format!("- [{title}](#{})\n", anchor(title));
        let links: String = self.titles.iter().map(link).collect();
        format!("{}\n\n{links}{}", introduction.trim_end(), self.text)
    }
}

/// The anchor of a heading on GitHub: lower case, hyphens for spaces, no punctuation.
fn anchor(title: &str) -> String {
    let lower = title.to_lowercase();
    let kept = lower.chars().filter(|c| c.is_alphanumeric() || " -".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_lists_its_sections() {
        let mut page = ReportPage::default();
        page.section("Images, training soundfonts", "3 pairs.");
        page.subsection("All pairs", "", "| a |\n|---|\n");
        page.subsection("By instrument", "2 steps.", "| b |\n|---|\n");
        page.section("Pictures", "None.");
        let expected = "# Title\n\n\
                        - [Images, training soundfonts](#images-training-soundfonts)\n\
                        - [Pictures](#pictures)\n\n\
                        ## Images, training soundfonts\n\n3 pairs.\n\n\
                        ### All pairs\n\n| a |\n|---|\n\n\
                        ### By instrument\n\n2 steps.\n\n| b |\n|---|\n\n\
                        ## Pictures\n\nNone.\n";
        assert_eq!(page.markdown("# Title\n"), expected);
    }
}
