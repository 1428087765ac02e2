//! Words that are read from two metres away: letters of five lines.

/// The lines of a word, as large as it fits; `None` if it does not, or a letter has no picture.
pub(super) fn block(word: &str, columns: u16, rows: u16) -> Option<Vec<String>> {
    let letters = u16::try_from(word.chars().count()).unwrap_or(u16::MAX);
    let width = letters.saturating_mul(LETTER_WIDTH + 1).saturating_sub(1).max(1);
    let scale = usize::from((columns / width).min(rows / LETTER_HEIGHT));
    if scale == 0 {
        return None;
    }
    let mut lines = vec![String::new(); LETTER_HEIGHT.into()];
    for (index, letter) in word.chars().enumerate() {
        for (line, row) in lines.iter_mut().zip(picture(letter)?) {
            let gap = if index > 0 { " " } else { "" };
            for dot in gap.chars().chain(row.chars()) {
                line.extend(std::iter::repeat_n(if dot == '#' { '█' } else { ' ' }, scale));
            }
        }
    }
    Some(lines.into_iter().flat_map(|line| std::iter::repeat_n(line, scale)).collect())
}

fn picture(letter: char) -> Option<[&'static str; 5]> {
    Some(match letter {
        'A' => [" ### ", "#   #", "#####", "#   #", "#   #"],
        'C' => [" ####", "#    ", "#    ", "#    ", " ####"],
        'F' => ["#####", "#    ", "#### ", "#    ", "#    "],
        'I' => ["#####", "  #  ", "  #  ", "  #  ", "#####"],
        'L' => ["#    ", "#    ", "#    ", "#    ", "#####"],
        'N' => ["#   #", "##  #", "# # #", "#  ##", "#   #"],
        'O' => [" ### ", "#   #", "#   #", "#   #", " ### "],
        'P' => ["#### ", "#   #", "#### ", "#    ", "#    "],
        'R' => ["#### ", "#   #", "#### ", "#  # ", "#   #"],
        'S' => [" ####", "#    ", " ### ", "    #", "#### "],
        'T' => ["#####", "  #  ", "  #  ", "  #  ", "  #  "],
        _ => return None,
    })
}

/// The lines of a letter.
const LETTER_HEIGHT: u16 = 5;
const LETTER_WIDTH: u16 = 5;
