//! The page "Coming from Python" says how long its two programs are.

use super::files::{all, report};

const PAGE: &str = "src/docs/from_python.md";

/// Lines of the first block of a language, without those that are blank or hidden.
fn lines(text: &str, language: &str) -> usize {
    let (_, rest) = text.split_once(&format!("```{language}")).expect("a block");
    let (_, block) = rest.split_once('\n').expect("a first line");
    let (block, _) = block.split_once("```").expect("its end");
    block.lines().filter(|line| !line.trim().is_empty() && !line.starts_with("# ")).count()
}

#[test]
fn the_programs_have_as_many_lines_as_the_page_says() {
    let page = all().into_iter().find(|file| file.path == PAGE).expect("the page");
    let (python, rust) = (lines(&page.text, "python"), lines(&page.text, "rust"));
    let expected = format!("{python} lines in Python and {rust} lines here");
    let faults =
        (!page.text.contains(&expected)).then(|| format!("{PAGE} does not say {expected:?}"));
    report("The page says how long the programs are.", faults.into_iter().collect());
}
