//! Lines that were added and removed. The work is bounded: what differs too much is shown as all gone and all new.

use super::Mark;

/// Pairs of lines that are compared at most.
const WORK: usize = 4_000_000;

/// The lines of both, in order, each with what became of it.
pub(super) fn lines<'t>(old: &[&'t str], new: &[&'t str]) -> Vec<(Mark, &'t str)> {
    let same = |(a, b): &(&&str, &&str)| a == b;
    let head = old.iter().zip(new).take_while(same).count();
    let (old_rest, new_rest) = (&old[head..], &new[head..]);
    let tail = old_rest.iter().rev().zip(new_rest.iter().rev());
    let tail = tail.take_while(same).count();
    let gone = &old_rest[..old_rest.len() - tail];
    let come = &new_rest[..new_rest.len() - tail];
    let mut all: Vec<(Mark, &str)> = Vec::new();
    all.extend(new[..head].iter().map(|line| (Mark::Plain, *line)));
    match gone.len().saturating_mul(come.len()) {
        work if work <= WORK => between(gone, come, &mut all),
        _ => {
            all.extend(gone.iter().map(|line| (Mark::Removed, *line)));
            all.extend(come.iter().map(|line| (Mark::Added, *line)));
        }
    }
    all.extend(
        new[new.len() - tail..]
            .iter()
            .map(|line| (Mark::Plain, *line)),
    );
    all
}

/// Over the longest common lines.
fn between<'t>(old: &[&'t str], new: &[&'t str], all: &mut Vec<(Mark, &'t str)>) {
    let wide = new.len() + 1;
    // How many lines the rests from (i, j) on have in common.
    let mut common = vec![0u32; (old.len() + 1) * wide];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            common[i * wide + j] = if old[i] == new[j] {
                common[(i + 1) * wide + j + 1] + 1
            } else {
                common[(i + 1) * wide + j].max(common[i * wide + j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            all.push((Mark::Plain, new[j]));
            (i, j) = (i + 1, j + 1);
        } else if j == new.len()
            || (i < old.len() && common[(i + 1) * wide + j] >= common[i * wide + j + 1])
        {
            all.push((Mark::Removed, old[i]));
            i += 1;
        } else {
            all.push((Mark::Added, new[j]));
            j += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(old: &str, new: &str) -> String {
        let (old, new): (Vec<&str>, Vec<&str>) =
            (old.split(' ').collect(), new.split(' ').collect());
        let sign = |(mark, line): (Mark, &str)| match mark {
            Mark::Plain => format!(" {line}"),
            Mark::Added => format!("+{line}"),
            Mark::Removed => format!("-{line}"),
        };
        lines(&old, &new)
            .into_iter()
            .map(sign)
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn what_was_added_and_what_was_removed() {
        assert_eq!(shown("a b c d", "a x c d"), " a -b +x  c  d");
        assert_eq!(shown("a b", "a b c"), " a  b +c");
        assert_eq!(shown("a b c", "c"), "-a -b  c");
        assert_eq!(shown("a b c d e", "a c b d e"), " a -b  c +b  d  e");
        assert_eq!(shown("a", "a"), " a");
    }

    #[test]
    fn the_work_is_bounded_and_no_line_is_lost() {
        let many = |word: &str| (0..3000).map(|n| format!("{word}{n}")).collect::<Vec<_>>();
        let (old, new) = (many("a"), many("b"));
        let (old, new): (Vec<&str>, Vec<&str>) = (
            old.iter().map(String::as_str).collect(),
            new.iter().map(String::as_str).collect(),
        );
        let all = lines(&old, &new);
        assert_eq!(
            all.iter().filter(|(mark, _)| *mark == Mark::Added).count(),
            3000
        );
        assert_eq!(
            all.iter()
                .filter(|(mark, _)| *mark == Mark::Removed)
                .count(),
            3000
        );
    }
}
