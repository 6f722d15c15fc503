//! The three things to try, played without a hand.

use anyhow::Result;

use super::Lab;
use super::prompt::obey;

const TOUR: [(&str, &[&[&str]]); 3] = [
    ("A real server dies and comes back", &[&["stop", "rs2"], &["list"], &["start", "rs2"]]),
    ("The active director dies and comes back", &[&["kill", "lb1"], &["start", "lb1"]]),
    ("What the director says, and what the client saw", &[&["status"], &["traffic"]]),
];

pub(super) fn run(lab: &mut Lab) -> Result<()> {
    for (title, commands) in TOUR {
        println!("{title}");
        for words in commands {
            println!("lab> {}", words.join(" "));
            obey(lab, words)?;
        }
        println!();
    }
    println!("That was the tour. In a terminal, `make lab` gives you this prompt.");
    Ok(())
}
