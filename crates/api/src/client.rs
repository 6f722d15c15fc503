//! The client of the control socket.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::apply::{ApplyAnswer, ApplyRequest, TrialAnswer};
use crate::document::{
    Explanation, OverrideAnswer, OverrideRequest, Problem, Status, UpgradeAnswer,
};
use crate::plan::{Definitions, Plan};

/// lvsd answers from memory; a longer silence means that it hangs.
const TIMEOUT: Duration = Duration::from_secs(10);

/// For an upgrade the new program is tried twice.
const UPGRADE_TIMEOUT: Duration = Duration::from_secs(60);

/// Why lvsd could not be asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Nobody listens on the socket.
    #[error("no lvsd listens on {}: start it, or name its socket with --socket", path.display())]
    NotRunning {
        /// The socket.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The socket's mode keeps this user out.
    #[error("{} may not be opened: it takes root or a member of the socket's group", path.display())]
    Forbidden {
        /// The socket.
        path: PathBuf,
    },
    /// lvsd answered with an error.
    #[error("lvsd: {0}")]
    Refused(String),
    /// The exchange failed.
    #[error("asking lvsd on {} for {what}", path.display())]
    Exchange {
        /// The socket.
        path: PathBuf,
        /// The document asked for.
        what: &'static str,
        /// What went wrong.
        source: reqwest::Error,
    },
}

/// Asks the lvsd behind one control socket.
#[derive(Debug)]
pub struct Client {
    path: PathBuf,
    http: reqwest::Client,
}

impl Client {
    /// A client of the lvsd that listens on `path`.
    ///
    /// # Errors
    /// [`Error::NotRunning`] and [`Error::Forbidden`], found by connecting once.
    pub fn connect(path: &Path) -> Result<Self, Error> {
        let path = path.to_owned();
        if let Err(source) = std::os::unix::net::UnixStream::connect(&path) {
            return Err(match source.kind() {
                io::ErrorKind::PermissionDenied => Error::Forbidden { path },
                _ => Error::NotRunning { path, source },
            });
        }
        let http = reqwest::Client::builder()
            .unix_socket(path.as_path())
            .timeout(TIMEOUT)
            .tls_backend_preconfigured(no_tls())
            .build()
            .map_err(|source| Error::Exchange { path: path.clone(), what: "a client", source })?;
        Ok(Self { path, http })
    }

    /// The director's view.
    ///
    /// # Errors
    /// Any [`Error`].
    pub async fn status(&self) -> Result<Status, Error> {
        self.get(crate::STATUS).await
    }

    /// What these definitions would change now.
    ///
    /// # Errors
    /// Any [`Error`]; [`Error::Refused`] when they are wrong or the kernel's table cannot be read.
    pub async fn plan(&self, definitions: &Definitions) -> Result<Plan, Error> {
        self.post(crate::PLAN, definitions).await
    }

    /// Puts definitions in force.
    ///
    /// # Errors
    /// Any [`Error`]; [`Error::Refused`] when they are wrong, or the user is not root.
    pub async fn apply(&self, request: &ApplyRequest) -> Result<ApplyAnswer, Error> {
        self.post(crate::APPLY, request).await
    }

    /// Keeps the definitions that are on trial.
    ///
    /// # Errors
    /// Any [`Error`]; [`Error::Refused`] when none are, or the user is not root.
    pub async fn confirm(&self) -> Result<TrialAnswer, Error> {
        self.post(crate::CONFIRM, &()).await
    }

    /// Ends a trial now, with the definitions before it.
    ///
    /// # Errors
    /// Any [`Error`]; [`Error::Refused`] when there is none, or the user is not root.
    pub async fn roll_back(&self) -> Result<TrialAnswer, Error> {
        self.post(crate::ROLLBACK, &()).await
    }

    /// Asks something of a real server.
    ///
    /// # Errors
    /// Any [`Error`]; [`Error::Refused`] when no such server is defined, or the user is not root.
    pub async fn override_server(
        &self,
        request: &OverrideRequest,
    ) -> Result<OverrideAnswer, Error> {
        self.post(crate::OVERRIDE, request).await
    }

    /// Asks lvsd to give its place to the program that its file holds now. It does so after the
    /// answer.
    ///
    /// # Errors
    /// Any [`Error`]; [`Error::Refused`] when the new program does not run or does not take the
    /// configuration, or the user is not root.
    pub async fn upgrade(&self) -> Result<UpgradeAnswer, Error> {
        let what = crate::UPGRADE;
        self.send(what, self.http.post(format!("http://lvsd{what}")).timeout(UPGRADE_TIMEOUT)).await
    }

    /// All about the real servers with that address, or of that virtual server.
    ///
    /// # Errors
    /// Any [`Error`]; [`Error::Refused`] when the name fits nothing.
    pub async fn explain(&self, name: &str) -> Result<Explanation, Error> {
        let what = crate::EXPLAIN;
        let mut url = reqwest::Url::parse("http://lvsd").expect("a constant that is a URL");
        url.set_path(what);
        url.query_pairs_mut().append_pair("name", name);
        self.send(what, self.http.get(url)).await
    }

    async fn get<T: DeserializeOwned>(&self, what: &'static str) -> Result<T, Error> {
        self.send(what, self.http.get(format!("http://lvsd{what}"))).await
    }

    async fn post<T: DeserializeOwned>(
        &self,
        what: &'static str,
        document: &impl Serialize,
    ) -> Result<T, Error> {
        self.send(what, self.http.post(format!("http://lvsd{what}")).json(document)).await
    }

    async fn send<T: DeserializeOwned>(
        &self,
        what: &'static str,
        request: reqwest::RequestBuilder,
    ) -> Result<T, Error> {
        let exchange = |source| Error::Exchange { path: self.path.clone(), what, source };
        let response = request.send().await.map_err(exchange)?;
        if !response.status().is_success() {
            let status = response.status();
            let problem = response.json::<Problem>().await;
            return Err(Error::Refused(
                problem.map_or_else(|_| format!("{what}: {status}"), |p| p.error),
            ));
        }
        response.json().await.map_err(exchange)
    }
}

/// reqwest panics without a TLS backend even where no TLS is spoken; this one trusts nobody.
fn no_tls() -> rustls::ClientConfig {
    rustls::ClientConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .expect("ring supports rustls' default protocol versions")
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth()
}
