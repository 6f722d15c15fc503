//! Every file of `config-examples/` loads.

use std::path::{Path, PathBuf};

fn examples(directory: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(directory)
        .expect("a directory")
        .map(|entry| entry.expect("an entry").path())
        .flat_map(|path| if path.is_dir() { examples(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect()
}

#[test]
fn every_example_loads() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config-examples");
    let examples = examples(&directory);
    assert!(examples.len() >= 12, "examples went missing: {examples:?}");
    for example in examples {
        if let Err(errors) = config::load(&example) {
            panic!("{errors}");
        }
    }
}
