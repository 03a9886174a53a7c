//! The engine: a compiled rule pack and the scans that it runs.

use std::{
    collections::BTreeSet,
    sync::{Arc, LazyLock, OnceLock},
};

use handshake_core::{
    digest::Digest,
    finding::{FindingLevel, LeakageFinding, ValidatorError, WorkBudget},
    ids::RuleId,
};

use crate::{
    enroll::Enrolment,
    error::PackError,
    matcher::Matcher,
    pack,
    rule::{Rule, RuleInfo},
    sample,
    scan::Scan,
};

/// An immutable rule pack, compiled when it is first used or at once.
pub struct Engine {
    matcher: OnceLock<Matcher>,
    digest: Digest,
    /// Rules of this crate's pack that are switched off.
    off: BTreeSet<RuleId>,
}

static BUILTIN: LazyLock<Arc<Engine>> = LazyLock::new(|| {
    Arc::new(Engine {
        matcher: OnceLock::new(),
        digest: digest(&builtin_files(), &BTreeSet::new()),
        off: BTreeSet::new(),
    })
});

fn builtin_files() -> Vec<&'static str> {
    pack::FILES.iter().map(|(_, text)| *text).collect()
}

fn compile(files: &[&str], off: &BTreeSet<RuleId>) -> Result<Matcher, PackError> {
    let specs = pack::parse(files)?;
    let rules = specs
        .into_iter()
        .filter(|spec| !off.iter().any(|id| id.as_str() == spec.id))
        .map(Rule::compile)
        .collect::<Result<Vec<_>, _>>()?;
    Matcher::new(rules)
}

fn digest(files: &[&str], off: &BTreeSet<RuleId>) -> Digest {
    // The code is part of what decides: a new release of the engine is a new ruleset.
    let mut parts = vec![concat!("hsk.leakage\0", env!("CARGO_PKG_VERSION"), "\0").as_bytes()];
    parts.extend(files.iter().map(|file| file.as_bytes()));
    for id in off {
        parts.extend([b"\0off\0", id.as_str().as_bytes()]);
    }
    Digest::of(&parts)
}

impl Engine {
    /// The engine of this crate's own rules. They are compiled once per process, when they are first used: most
    /// commands need no more of them than their digest. [`Engine::warm`] does it beforehand.
    #[must_use]
    pub fn builtin() -> Arc<Self> {
        Arc::clone(&BUILTIN)
    }

    /// The same without these rules. What is code rather than a rule stays: enrolled secrets are always found.
    ///
    /// # Errors
    /// [`PackError::Unknown`] names the first that is no rule of this crate.
    pub fn builtin_without(off: &BTreeSet<RuleId>) -> Result<Arc<Self>, PackError> {
        if off.is_empty() {
            return Ok(Self::builtin());
        }
        let files = builtin_files();
        let rules = pack::parse(&files)?;
        let unknown = |id: &&RuleId| !rules.iter().any(|rule| rule.id == id.as_str());
        if let Some(id) = off.iter().find(unknown) {
            return Err(PackError::Unknown(id.to_string()));
        }
        Ok(Arc::new(Self {
            matcher: OnceLock::new(),
            digest: digest(&files, off),
            off: off.clone(),
        }))
    }

    /// Compiles rule packs.
    ///
    /// # Errors
    /// [`PackError`] names the rule that cannot be used.
    pub fn from_toml(files: &[&str]) -> Result<Self, PackError> {
        Ok(Self {
            matcher: OnceLock::from(compile(files, &BTreeSet::new())?),
            digest: digest(files, &BTreeSet::new()),
            off: BTreeSet::new(),
        })
    }

    /// Compiles the rules now, so that no call waits for it.
    pub fn warm(&self) {
        let _compiled = self.matcher();
    }

    /// The digest of the rules, for epochs and events.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The rules that are switched off.
    #[must_use]
    pub fn off(&self) -> &BTreeSet<RuleId> {
        &self.off
    }

    /// All rules that are on, in order of their pack.
    #[must_use]
    pub fn rules(&self) -> Vec<RuleInfo> {
        self.matcher().rules.iter().map(RuleInfo::from).collect()
    }

    /// Describes a rule. `None` if there is no such rule.
    #[must_use]
    pub fn explain(&self, rule: &str) -> Option<RuleInfo> {
        self.matcher()
            .rules
            .iter()
            .find(|r| r.id.as_str() == rule)
            .map(RuleInfo::from)
    }

    /// A synthetic value that the rule matches, the same for the same seed. For tests and demonstrations:
    /// no such value was ever issued. `None`: there is no such rule.
    #[must_use]
    pub fn sample(&self, rule: &str, seed: u64) -> Option<String> {
        let rule = self
            .matcher()
            .rules
            .iter()
            .find(|r| r.id.as_str() == rule)?;
        Some(sample::render(&rule.spec.sample, seed))
    }

    /// Scans a text, or the JSON in it, against the rules alone, with a budget of its own.
    ///
    /// # Errors
    /// [`ValidatorError::Budget`] where a text unfolds into far more than it is.
    pub fn scan_text(&self, text: &str) -> Result<Vec<LeakageFinding>, ValidatorError> {
        let mut budget = WorkBudget::new(default_budget(text.len()));
        self.scan(text.as_bytes(), &Enrolment::default(), false, &mut budget)
    }

    /// Scans messages, or any other JSON value, as they would appear in a request.
    ///
    /// # Errors
    /// As [`Engine::scan_text`].
    pub fn scan_messages(
        &self,
        messages: &serde_json::Value,
    ) -> Result<Vec<LeakageFinding>, ValidatorError> {
        self.scan_text(&messages.to_string())
    }

    /// Scans bytes against the rules and an enrolled set. `envelope`: they are the body of a request, and
    /// token ids in prompt positions are findings.
    ///
    /// # Errors
    /// [`ValidatorError::Undecodable`] where the bytes are not UTF-8; [`ValidatorError::Budget`].
    pub fn scan(
        &self,
        data: &[u8],
        enrolment: &Enrolment,
        envelope: bool,
        budget: &mut WorkBudget,
    ) -> Result<Vec<LeakageFinding>, ValidatorError> {
        let mut scan = Scan::new(self.matcher(), enrolment, budget);
        scan.document(data, envelope)?;
        Ok(scan.finish())
    }

    /// The same, with every place of what was found, for whoever masks it. A scan for a verdict lists a few of each rule.
    ///
    /// # Errors
    /// As [`Engine::scan`].
    pub fn scan_places(
        &self,
        data: &[u8],
        enrolment: &Enrolment,
        envelope: bool,
        budget: &mut WorkBudget,
    ) -> Result<Places, ValidatorError> {
        let mut scan = Scan::new(self.matcher(), enrolment, budget).with_places();
        scan.document(data, envelope)?;
        Ok(Places {
            complete: !scan.has_more(),
            findings: scan.finish(),
        })
    }

    pub(crate) fn matcher(&self) -> &Matcher {
        // Every other engine was compiled when it was made.
        self.matcher.get_or_init(|| {
            compile(&builtin_files(), &self.off)
                .expect("the pack of this crate is checked by its tests")
        })
    }
}

/// Where something was found.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Places {
    /// Each place.
    pub findings: Vec<LeakageFinding>,
    /// Whether these are all. Where they are not, nothing is known of the places that are not listed.
    pub complete: bool,
}

/// A budget that honest content of so many bytes does not reach.
#[must_use]
pub fn default_budget(bytes: usize) -> u64 {
    (bytes as u64).saturating_mul(256).saturating_add(4 << 20)
}

/// What a scan means, in the words of `leak scan`.
#[derive(Clone, Copy, Debug, Eq, PartialEq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// At least one finding is not consentable.
    Block,
    /// A person should look.
    Warn,
    /// Nothing was found.
    Clean,
}

impl Verdict {
    /// The verdict over findings: any block blocks; anything else warns.
    #[must_use]
    pub fn of(findings: &[LeakageFinding]) -> Self {
        match findings.iter().map(|f| f.level).max() {
            Some(FindingLevel::Block) => Self::Block,
            Some(FindingLevel::Ask | FindingLevel::Warn) => Self::Warn,
            None => Self::Clean,
        }
    }

    /// `block`, `warn` or `clean`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Block => "block",
            Self::Warn => "warn",
            Self::Clean => "clean",
        }
    }
}
