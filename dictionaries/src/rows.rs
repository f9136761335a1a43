//! How a data file is read: one fact per line, fields parted by tabs, `#` starts a comment line.

/// The facts of a file with `N` fields each.
///
/// A line of another shape is passed over rather than taken wrongly; the test of the data files makes sure
/// that there is none.
pub(crate) fn rows<const N: usize>(text: &'static str) -> impl Iterator<Item = [&'static str; N]> {
    text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).filter_map(|line| {
        let mut fields = line.split('\t');
        let row = std::array::from_fn(|_| fields.next().unwrap_or_default());
        (fields.next().is_none() && row.iter().all(|field| !field.is_empty())).then_some(row)
    })
}

#[cfg(test)]
mod tests {
    use super::rows;

    #[test]
    fn comments_empty_lines_and_lines_of_another_shape_are_passed_over() {
        let read: Vec<[&str; 2]> = rows("# a\tb\n\none\ttwo\nshort\nlong\tlong\tlong\nempty\t\n").collect();
        assert_eq!(read, [["one", "two"]]);
    }
}
