//! The lab's prompt.

use std::io::{BufRead, Write};

use anyhow::{Context, Result, bail};

use super::Lab;

const THREE_THINGS: &str = "\
Three things to try:
  stop rs2     stop a real server's nginx     (start rs2 brings it back)
  kill lb1     kill the active director       (start lb1 brings it back)
  status       look at the active director
and `help` for more, `exit` to end.
";

const HELP: &str = "  status [lb1|lb2]   lvsctl status on the active director, or on that one
  list [lb1|lb2]     lvsctl list -n: the kernel's table, as ipvsadm -Ln shows it
  traffic            what became of the client's requests
  stop|start rs1     end, start nginx on a real server
  fail|heal rs1      let its health page answer 500, 200
  kill|start lb1     a director's power goes, comes back
  cut|plug HOST      pull a cable, plug it in
  shell HOST         bash on client, lb1, lb2, rs1, rs2 or rs3: ipvsadm, tcpdump, curl, ip
  exit               end the lab
";

pub(super) fn run(lab: &mut Lab) -> Result<()> {
    println!("{THREE_THINGS}");
    let mut input = std::io::stdin().lock();
    loop {
        print!("lab> ");
        std::io::stdout().flush().context("writing to the terminal")?;
        let mut line = String::new();
        if input.read_line(&mut line).context("reading from the terminal")? == 0 {
            println!();
            return Ok(());
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        if let ["exit" | "quit"] = words[..] {
            return Ok(());
        }
        // What goes wrong in the lab is something to see, not its end.
        if let Err(error) = obey(lab, &words) {
            println!("{error:#}");
        }
    }
}

pub(super) fn obey(lab: &mut Lab, words: &[&str]) -> Result<()> {
    match *words {
        [] => Ok(()),
        ["help"] => {
            print!("{HELP}");
            Ok(())
        }
        ["status"] => lab.print_lvsctl("status", None),
        ["status", director] => lab.print_lvsctl("status", Some(director)),
        ["list"] => lab.print_lvsctl("list -n", None),
        ["list", director] => lab.print_lvsctl("list -n", Some(director)),
        ["traffic"] => {
            lab.print_traffic();
            Ok(())
        }
        ["kill", director] => lab.kill_director(director),
        ["start", name] if name.starts_with("lb") => lab.start_director(name),
        ["start", server] => lab.start_server(server),
        ["stop", server] => lab.stop_server(server),
        ["fail", server] => lab.fail_health(server),
        ["heal", server] => lab.heal(server),
        ["cut", host] => lab.cut(host),
        ["plug", host] => lab.plug(host),
        ["shell", host] => lab.shell(host),
        _ => bail!("`{}` is no command here; `help` lists them", words.join(" ")),
    }
}
