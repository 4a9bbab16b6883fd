//! Columns of text. Widths are counted in characters; colour is put on after padding.

/// Rows of cells, padded to columns, two spaces apart. The last column is not padded.
pub fn columns(rows: &[Vec<String>], indent: usize) -> String {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|r| r.get(column)).map(|c| visible(c)).max().unwrap_or(0);
    let widths: Vec<usize> = (0..count).map(width).collect();
    let mut out = String::new();
    for row in rows {
        let mut line = " ".repeat(indent);
        for (i, cell) in row.iter().enumerate() {
            line.push_str(cell);
            if i + 1 < row.len() {
                line.push_str(&" ".repeat(widths[i].saturating_sub(visible(cell)) + 2));
            }
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// Characters that are seen: escape sequences of colours are not.
fn visible(text: &str) -> usize {
    let mut count = 0;
    let mut escape = false;
    for c in text.chars() {
        match (escape, c) {
            (false, '\x1b') => escape = true,
            (false, _) => count += 1,
            (true, 'm') => escape = false,
            (true, _) => {}
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_with_and_without_colour() {
        let rows = vec![
            vec!["a".to_owned(), "\x1b[1mbb\x1b[0m".to_owned(), "c".to_owned()],
            vec!["ääää".to_owned(), "b".to_owned()],
        ];
        assert_eq!(columns(&rows, 1), " a     \x1b[1mbb\x1b[0m  c\n ääää  b\n");
    }
}
