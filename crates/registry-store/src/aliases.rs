//! Model names of clients, and ours.

use handshake_core::{ids::ModelRef, ports::StoreError};
use rusqlite::params;

use crate::{codec, store::Store};

/// What a client's model name means here.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Alias {
    /// The client's name for a model, or a pattern with `*`. How it is matched is the gateway's matter.
    pub pattern: String,
    /// Our model.
    pub target: ModelRef,
}

impl Store {
    /// Sets what a pattern means: 1 to 256 visible ASCII characters.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] for a pattern of another form.
    pub async fn set_alias(&self, alias: Alias) -> Result<(), StoreError> {
        let visible = alias.pattern.bytes().all(|byte| byte.is_ascii_graphic());
        if !visible || !(1..=256).contains(&alias.pattern.len()) {
            return Err(StoreError::Conflict);
        }
        self.change(move |tx| {
            tx.conn.execute(
                "INSERT INTO aliases VALUES (?1, ?2) ON CONFLICT DO UPDATE SET target = excluded.target",
                params![alias.pattern, alias.target.to_string()],
            )?;
            Ok(())
        })
        .await
    }

    /// All aliases, by pattern.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn aliases(&self) -> Result<Vec<Alias>, StoreError> {
        self.read(|conn| {
            let mut select =
                conn.prepare_cached("SELECT pattern, target FROM aliases ORDER BY pattern")?;
            let rows = select.query_map([], |row| {
                Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
            })?;
            rows.map(|row| {
                let (pattern, target) = row?;
                Ok(Alias {
                    pattern,
                    target: codec::id(&target)?,
                })
            })
            .collect()
        })
        .await
    }

    /// Removes an alias.
    ///
    /// # Errors
    /// [`StoreError::Missing`].
    pub async fn remove_alias(&self, pattern: &str) -> Result<(), StoreError> {
        let pattern = pattern.to_owned();
        self.change(move |tx| {
            let removed = tx
                .conn
                .execute("DELETE FROM aliases WHERE pattern = ?1", params![pattern])?;
            if removed == 1 {
                Ok(())
            } else {
                Err(StoreError::Missing.into())
            }
        })
        .await
    }
}
