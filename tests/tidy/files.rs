//! The files of the project, read once per test, without what others have written or a build has left.

use std::fs;
use std::path::Path;

/// Folders and files that `.gitignore` names, and git's own.
const NOT_OURS: &[&str] = &[".git", "target", "node_modules", "__pycache__", "Cargo.lock"];

pub struct File {
    /// From the root of the project, with `/`.
    pub path: String,
    /// Bytes that are not UTF-8 (the fuzz corpora have some) are replaced.
    pub text: String,
}

/// A line and its number, from 1.
pub type Line<'a> = (usize, &'a str);

impl File {
    pub fn lines(&self) -> impl Iterator<Item = Line<'_>> {
        self.text.lines().enumerate().map(|(index, line)| (index + 1, line))
    }

    /// The lines that are neither wholly a comment nor an example in the docs.
    pub fn code(&self) -> impl Iterator<Item = Line<'_>> {
        let is_text = |line: &str| line.trim_start().starts_with("//") || line.starts_with("# ");
        let mut in_example = false;
        self.lines().filter(move |(_, line)| {
            in_example ^= is_fence(line);
            !in_example && !is_fence(line) && !is_text(line)
        })
    }

    /// The code that users get: unit tests stand in a module at the end, or in a file called `tests.rs`.
    pub fn shipped_code(&self) -> impl Iterator<Item = Line<'_>> {
        let end = self.shipped_lines();
        self.code().take_while(move |(number, _)| *number <= end)
    }

    /// How many lines stand before the unit tests.
    pub fn shipped_lines(&self) -> usize {
        if self.path.ends_with("/tests.rs") {
            return 0;
        }
        let tests = self.text.lines().position(|line| line.starts_with("mod tests {"));
        tests.unwrap_or_else(|| self.text.lines().count())
    }
}

/// The begin or the end of an example that stands in a text (`#[doc = …]`), not in comments.
fn is_fence(line: &str) -> bool {
    line.starts_with("```")
}

/// Every file of the project, in the order of their paths.
pub fn all() -> Vec<File> {
    let mut files = Vec::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    collect(root, "", &mut files);
    files.sort_by(|one, other| one.path.cmp(&other.path));
    assert!(files.len() > 100, "only {} files below {}", files.len(), root.display());
    files
}

/// The files of the library.
pub fn sources() -> Vec<File> {
    let files: Vec<_> = all().into_iter().filter(|file| file.path.starts_with("src/")).collect();
    for file in &files {
        let fences = file.lines().filter(|(_, line)| is_fence(line)).count();
        assert!(fences % 2 == 0, "{}: an example without an end would hide code", file.path);
    }
    files
}

/// All Rust files: library, tests, examples, benches, fuzz targets.
pub fn rust() -> Vec<File> {
    all().into_iter().filter(|file| file.path.ends_with(".rs")).collect()
}

pub fn read(path: &str) -> String {
    let full = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(full).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Fails with one line for each fault, under the sentence that they offend.
#[track_caller]
pub fn report(sentence: &str, faults: Vec<String>) {
    assert!(faults.is_empty(), "{sentence}\n\n  {}\n", faults.join("\n  "));
}

fn collect(folder: &Path, prefix: &str, files: &mut Vec<File>) {
    for entry in fs::read_dir(folder).expect("list a folder of the project") {
        let entry = entry.expect("an entry of the folder");
        let name = entry.file_name().into_string().expect("a name in UTF-8");
        if NOT_OURS.contains(&name.as_str()) {
            continue;
        }
        let path = format!("{prefix}{name}");
        let kind = entry.file_type().expect("a file or a folder");
        if kind.is_dir() {
            collect(&entry.path(), &format!("{path}/"), files);
        } else if kind.is_file() {
            let bytes = fs::read(entry.path()).expect("read a file of the project");
            files.push(File { path, text: String::from_utf8_lossy(&bytes).into_owned() });
        }
    }
}
