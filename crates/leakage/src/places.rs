//! Where in a body something stands that a stand-in may replace.
//!
//! Each text is judged by itself: what stands in it as it is has a span; where something is left when that is gone,
//! in an encoding for example, all of the text is the place. What has no place is found again when what is left is
//! inspected, and blocks: names of members, numbers, binary parts, what several texts say together. So has nothing of
//! which only a part stands in a text: without it, the other part would pass.

use handshake_core::{
    finding::{FindingClass, FindingLevel, LeakageFinding, ValidatorError, WorkBudget},
    ids::RuleId,
    redact::{Place, is_redactable},
};

use crate::{
    enroll::Enrolment,
    matcher::{Matcher, Mode},
    redact::{ceil, floor, splice},
    scan::{Scan, is_piece, is_token},
    tree::{self, Leaf, Role},
};

/// Stands where a stand-in will stand while the rest of a text is looked at.
const STAND_IN: &str = "[REDACTED:secret:3f7a90c2d15e]";

/// The places in a body.
pub(crate) fn places(
    matcher: &Matcher,
    enrolment: &Enrolment,
    body: &[u8],
    budget: &mut WorkBudget,
) -> Result<Vec<Place>, ValidatorError> {
    budget.spend(body.len() as u64)?;
    let Some(root) = tree::parse(body) else {
        return Ok(Vec::new());
    };
    let mut looker = Looker {
        matcher,
        enrolment,
        budget,
        out: Vec::new(),
    };
    let leaves: Vec<Leaf> = tree::walk(&root)
        .leaves
        .into_iter()
        .filter(|leaf| leaf.group != "#")
        .collect();
    for (at, leaf) in leaves.iter().enumerate() {
        if !leaf.codes && leaf.role == Role::Text && !is_embedded(&leaf.text) {
            looker.within(leaf, &leaves[at + 1..])?;
        }
    }
    Ok(looker.out)
}

/// A binary part that stands in a text.
fn is_embedded(text: &str) -> bool {
    text.trim_start().starts_with("data:")
}

struct Looker<'a> {
    matcher: &'a Matcher,
    enrolment: &'a Enrolment,
    budget: &'a mut WorkBudget,
    out: Vec<Place>,
}

/// Something that stands in a text as it is.
struct Hit {
    start: usize,
    end: usize,
    /// One past the last byte that its rule looked at.
    last: usize,
    class: FindingClass,
    rule: RuleId,
}

impl Looker<'_> {
    /// The places in one text, which others follow.
    fn within(&mut self, leaf: &Leaf, following: &[Leaf]) -> Result<(), ValidatorError> {
        let hits = self.hits(leaf)?;
        let len = leaf.text.len();
        let cut = goes_on(leaf, following);
        if cut && hits.iter().any(|hit| hit.last == len) {
            return Ok(());
        }
        let place = |span, class, rule| Place {
            pointer: leaf.pointer.clone(),
            span,
            class,
            rule,
        };
        if let Some(hit) = hits
            .iter()
            .find(|hit| hit.class == FindingClass::PrivateKey)
        {
            self.out.push(place(None, hit.class, hit.rule.clone()));
            return Ok(());
        }
        let rest = Leaf {
            text: without(&leaf.text, &hits),
            pointer: leaf.pointer.clone(),
            group: leaf.group.clone(),
            member: leaf.member.clone(),
            ..*leaf
        };
        match self.left(&rest)? {
            Some(_) if cut => {}
            Some(left) => self.out.push(place(None, left.class, left.rule)),
            None => self.out.extend(
                hits.into_iter()
                    .map(|hit| place(Some((hit.start, hit.end)), hit.class, hit.rule)),
            ),
        }
        Ok(())
    }

    fn hits(&mut self, leaf: &Leaf) -> Result<Vec<Hit>, ValidatorError> {
        let data = leaf.text.as_bytes();
        self.budget.spend(data.len() as u64)?;
        let found = self.matcher.find(data, Mode::Written, self.budget)?;
        let mut hits = Vec::new();
        for hit in found.matches {
            let rule = &self.matcher.rules[hit.rule];
            let (start, end) = hit.value;
            if hit.level >= FindingLevel::Ask && is_redactable(rule.spec.class) {
                hits.push(Hit {
                    start,
                    end,
                    last: hit.end,
                    class: rule.spec.class,
                    rule: rule.id.clone(),
                });
            }
        }
        for (start, end) in self.enrolment.whole_spans(data) {
            hits.push(Hit {
                start,
                end,
                // All of it is here: nothing of it goes on.
                last: 0,
                class: FindingClass::Enrolled,
                rule: RuleId::new("enrolled").map_err(|_| ValidatorError::Failed)?,
            });
        }
        Ok(hits)
    }

    /// The worst of what is left in a text, in whatever encoding, and all of which stands there: not a beginning whose
    /// end may stand in another text, and not a part of an enrolled value.
    fn left(&mut self, leaf: &Leaf) -> Result<Option<LeakageFinding>, ValidatorError> {
        let mut scan = Scan::new(self.matcher, self.enrolment, self.budget).of_whole_values();
        scan.leaves(std::slice::from_ref(leaf), false)?;
        let findings = scan.finish().into_iter();
        Ok(findings
            .filter(|finding| {
                finding.level >= FindingLevel::Ask
                    && is_redactable(finding.class)
                    && !finding.views.iter().any(|view| view == "partial")
            })
            .max_by_key(|finding| finding.level))
    }
}

/// Whether what ends a text may go on in another one: it ends in a token, and the next text, or the next in such a
/// place, begins like the middle of one. To replace its beginning would let the rest go unseen.
fn goes_on(leaf: &Leaf, following: &[Leaf]) -> bool {
    if !leaf.text.bytes().next_back().is_some_and(is_token) {
        return false;
    }
    let next = following.first();
    let alike = following.iter().find(|next| next.group == leaf.group);
    next.into_iter().chain(alike).any(|next| {
        let text = next.text.as_bytes();
        let run = text
            .iter()
            .take(1024)
            .take_while(|byte| is_token(**byte))
            .count();
        run >= 3 && is_piece(&text[..run])
    })
}

/// A text without what stands in it as it is.
fn without(text: &str, hits: &[Hit]) -> String {
    let data = text.as_bytes();
    let spans = hits
        .iter()
        .map(|hit| {
            let (start, end) = (floor(data, hit.start), ceil(data, hit.end));
            (start, end, STAND_IN.to_owned())
        })
        .collect();
    String::from_utf8_lossy(&splice(data, spans)).into_owned()
}
