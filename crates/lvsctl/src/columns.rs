//! Text in columns.

/// Rows with each column as wide as its widest cell, two blanks between, none at the end.
pub(crate) fn columns(indent: usize, rows: &[Vec<String>]) -> String {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width =
        |column: usize| rows.iter().filter_map(|r| r.get(column)).map(|c| c.chars().count()).max();
    let widths: Vec<usize> = (0..count).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = " ".repeat(indent);
        for (cell, &width) in row.iter().zip(&widths) {
            line.push_str(&format!("{cell:width$}  "));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn columns_are_as_wide_as_the_widest_cell() {
        let rows = [["a", "bcd", "e"], ["abc", "", "é"]].map(|r| r.map(str::to_owned).to_vec());
        assert_eq!(super::columns(2, &rows), "  a    bcd  e\n  abc       é\n");
    }
}
