//! The gateway over an open home, until it is told to stop.

use std::{
    fs::{File, OpenOptions, TryLockError},
    net::SocketAddr,
    path::Path,
    sync::Arc,
    time::Duration,
};

use handshake_core::{
    code::{ErrorCode, Phase},
    ports::RegistryFeed,
    tier::ModelTier,
};
use handshake_gateway::{Gateway, GatewayPorts, Listener};
use handshake_leakage::Redactor;
use serde_json::json;

mod signals;

use crate::{
    announce,
    context::Context,
    error::{AppError, Exit, Result},
    start,
    wire::{App, Wiring},
};

/// Listens until it is told to stop.
pub(crate) async fn run(cx: &Context, listen: SocketAddr, allow_host: Vec<String>) -> Result<Exit> {
    if !listen.ip().is_loopback() {
        return Err(AppError::usage(
            ErrorCode::InvalidConfig,
            "the gateway can listen only on a loopback address",
        ));
    }
    // Nothing is written into a home that is not trusted, and whoever starts this learns that first.
    let _known = cx.open_home()?;
    let _only = Only::of(&cx.home_path()?)?;
    let listener = Listener::bind(listen).await.map_err(|_| {
        AppError::new(
            ErrorCode::InvalidConfig,
            Phase::Connect,
            format!("cannot listen on {listen}"),
        )
        .next("choose another port with `--listen`")
    })?;
    let address = listener.address();
    let wiring = Wiring {
        own_listeners: vec![address],
        ..Wiring::default()
    };
    let app = Arc::new(cx.app_with(wiring).await?);
    // What calls need is made ready before the first one comes: the view for all of them, the leakage rules where one
    // may leave the machine. They take some ten MiB, which a home of local models never needs.
    let view = app.store.current()?;
    if view
        .providers
        .values()
        .any(|it| it.tier == ModelTier::Cloud)
    {
        app.policy.engine().warm();
    }
    more_files();
    // From here on a signal is a wish, and not the end: before anybody can know that it runs.
    let stopped = signals::end()?;
    let halt = signals::Halt::listen()?;
    let first = FirstPassphrase::of(&app)?;
    let mut gateway = Gateway::builder(ports(&app)).listening_on(address);
    for host in allow_host {
        gateway = gateway.allow_host(host);
    }
    cx.out
        .object(&json!({ "listening": address, "base_url": format!("http://{address}/v1") }));
    cx.out.line(format!("Listening on http://{address}"));
    cx.out.line(format!(
        "  OpenAI clients: base URL http://{address}/v1, API key from `handshake token create NAME`"
    ));
    cx.out
        .line("  Cloud calls need approval: run `handshake watch` or `handshake approve` in another terminal");
    let announcer = cx.out.is_seen().then(|| {
        tokio::spawn(announce::questions(
            app.store.clone(),
            app.clock.clone(),
            cx.out,
        ))
    });
    let halter = tokio::spawn(halt.obey(Arc::clone(&app), cx.out));
    let mut anew = false;
    let over = async {
        tokio::select! {
            () = stopped => {}
            () = first.comes() => anew = true,
        }
    };
    gateway.build().serve(listener, over).await;
    halter.abort();
    if let Some(announcer) = announcer {
        announcer.abort();
    }
    app.finish().await?;
    if anew {
        cx.out
            .line("The home has an approval passphrase now: the gateway starts again.");
        return Err(start::anew(address));
    }
    Ok(Exit::Done)
}

/// That a home got its first approval passphrase, and with it another approval key: what is open with the old one believes
/// no seal and no receipt any more.
struct FirstPassphrase(Option<Arc<App>>);

impl FirstPassphrase {
    fn of(app: &Arc<App>) -> Result<Self> {
        Ok(Self((!app.has_factor()?).then(|| Arc::clone(app))))
    }

    /// Never for a home that had one.
    async fn comes(self) {
        let Some(app) = self.0 else {
            return std::future::pending().await;
        };
        while !app.has_factor().unwrap_or(false) {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

/// How often is looked for it.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Longer than anybody holds the lock who only looks.
const LOOKED_AT: Duration = Duration::from_millis(50);

/// Whether a gateway serves this home.
pub(crate) fn is_running(home: &Path) -> bool {
    let lock = File::open(home.join("run").join("serve.lock"));
    // The lock is given back at once, with the file.
    lock.is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

/// That this gateway is the only one of its home. The lock goes with the process, however that ends.
struct Only(#[expect(dead_code, reason = "the lock lives as long as the file")] Option<File>);

impl Only {
    fn of(home: &Path) -> Result<Self> {
        let run = home.join("run");
        // A home that is made just now has no gateway yet, and whoever makes it is one.
        if !home.exists() {
            return Ok(Self(None));
        }
        let failed = |_| {
            AppError::new(
                ErrorCode::Storage,
                Phase::Storage,
                "cannot lock the gateway of this home",
            )
        };
        std::fs::create_dir_all(&run).map_err(failed)?;
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(run.join("serve.lock")).map_err(failed)?;
        let locked = file.try_lock().or_else(|_| {
            // Whoever only looks whether a gateway runs holds it for a moment.
            std::thread::sleep(LOOKED_AT);
            file.try_lock()
        });
        match locked {
            Ok(()) => Ok(Self(Some(file))),
            Err(TryLockError::WouldBlock) => Err(AppError::new(
                ErrorCode::InvalidConfig,
                Phase::Input,
                "another gateway serves this home already",
            )
            .next("stop it first, or name another home with `--home`")),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }
}

fn ports(app: &App) -> GatewayPorts {
    GatewayPorts {
        runtime: app.runtime.clone(),
        filter: Arc::new(Redactor::new(app.policy.engine(), app.enrolment.clone())),
    }
}

/// A thousand streams are two thousand sockets, and the usual soft limit is 1,024. Where the system gives no more,
/// fewer are served.
#[cfg(unix)]
fn more_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    const WANTED: u64 = 8192;
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.map_or(WANTED, |most| most.min(WANTED));
    if limit.current.is_some_and(|now| now < wanted) {
        let _fewer = setrlimit(
            Resource::Nofile,
            Rlimit {
                current: Some(wanted),
                maximum: limit.maximum,
            },
        );
    }
}

#[cfg(not(unix))]
fn more_files() {}
