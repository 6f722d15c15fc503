//! `http_get` as the definitions write it, against nginx: what passes there, and what fails why.

use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, ensure};
use checkers::probe::{self, Context};
use checkers::{Cause, Monitor, Outcome, ProbeResult, State};
use integration::addresses::{DIRECTORS, SERVERS};
use integration::paths::tool;
use integration::wait::{FAR, wait_until};
use integration::{Host, Network, Process};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

const DAY: Duration = Duration::from_secs(86_400);

/// What is expected of a check: `None` passes.
type Expected = Option<Cause>;

/// A director and a web server. When dropped, both are gone.
struct Lab {
    director: Host,
    web: Host,
    _nginx: Process,
    _network: Network,
}

impl Lab {
    fn start() -> Result<Self> {
        let network = Network::new()?;
        let [director, web] =
            network.add_hosts([("director", DIRECTORS[0]), ("web", SERVERS[0])])?;
        let folder = web.folder();
        let path = |name: &str| folder.join(name);
        fs::create_dir_all(path("www/private"))?;
        fs::write(path("www/data"), "0123456789".repeat(1000))?;
        fs::write(path("www/private/status"), "for those with a password\n")?;
        fs::write(path("users"), "ops:{PLAIN}a secret\n")?;
        certificates(folder)?;
        fs::write(path("nginx.conf"), configuration(folder))?;
        let mut command = tool("nginx")?;
        command.arg("-p").arg(folder).arg("-c").arg(path("nginx.conf"));
        command.arg("-e").arg(path("errors.log"));
        let nginx = web.spawn("nginx", command)?;
        wait_until("nginx listening", FAR, || {
            web.namespace().enter(|| Ok(TcpStream::connect((SERVERS[0], 80)).is_ok()))
        })?;
        Ok(Self { director, web, _nginx: nginx, _network: network })
    }

    /// The path of a file of the lab, as text for definitions.
    fn path(&self, name: &str) -> String {
        self.web.folder().join(name).display().to_string()
    }

    /// Runs checks from the director, each written as the keys of `http_get`.
    fn run(&self, checks: &[String]) -> Result<Vec<Outcome>> {
        let monitors: Vec<Monitor> =
            checks.iter().map(|keys| monitor(keys)).collect::<Result<_>>()?;
        self.director.namespace().enter(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let context = Context::new();
            Ok(runtime.block_on(async {
                let mut outcomes = Vec::new();
                for monitor in &monitors {
                    outcomes.push(probe::run(monitor, State::Unknown, &context).await);
                }
                outcomes
            }))
        })
    }

    /// Runs checks and compares what they find.
    fn expect(&self, checks: &[(String, Expected)]) -> Result<Vec<Outcome>> {
        let keys: Vec<String> = checks.iter().map(|(keys, _)| keys.clone()).collect();
        let outcomes = self.run(&keys)?;
        for ((keys, expected), outcome) in checks.iter().zip(&outcomes) {
            let agrees = match (&outcome.result, expected) {
                (ProbeResult::Passed, None) => true,
                (ProbeResult::Failed(failure), Some(cause)) => failure.cause == *cause,
                _ => false,
            };
            ensure!(agrees, "{keys}\nexpected {expected:?}, got {:?}", outcome.result);
        }
        Ok(outcomes)
    }
}

fn monitor(keys: &str) -> Result<Monitor> {
    let text = format!(
        "[virtual_server.web]\n\
         address = \"192.0.2.10:80\"\n\
         [[virtual_server.web.real_servers]]\n\
         address = \"{}:80\"\n\
         [[virtual_server.web.real_servers.checks]]\n\
         interval = \"30s\"\n\
         timeout = \"20s\"\n\
         http_get = {{ {keys} }}\n",
        SERVERS[0]
    );
    let config = config::parse(Path::new("test.toml"), text).with_context(|| keys.to_owned())?;
    let server = config.virtual_servers.first().and_then(|one| one.real_servers.first());
    let check = server.and_then(|server| server.checks.first()).context("no check")?;
    Ok(Monitor { target: (SERVERS[0], 80).into(), check: check.clone() })
}

fn passes(keys: impl Into<String>) -> (String, Expected) {
    (keys.into(), None)
}

fn fails(keys: impl Into<String>, cause: Cause) -> (String, Expected) {
    (keys.into(), Some(cause))
}

/// The authority's certificate `ca.pem`, and for each kind of server `NAME.pem` with its key.
fn certificates(folder: &Path) -> Result<()> {
    // Different names: a certificate that bears its issuer's counts as signed by itself.
    let authority = |name: &str| -> Result<_> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Ok(CertifiedIssuer::self_signed(params, KeyPair::generate()?)?)
    };
    let (trusted, other) = (authority("trusted")?, authority("other")?);
    fs::write(folder.join("ca.pem"), trusted.pem())?;
    fs::write(folder.join("other_ca.pem"), other.pem())?;
    let now = SystemTime::now();
    let in_a_year = now + 365 * DAY;
    for (name, issuer, end) in [
        ("www", Some(&trusted), in_a_year),
        ("default", Some(&trusted), in_a_year),
        ("mutual", Some(&trusted), in_a_year),
        ("expired", Some(&trusted), now - DAY),
        ("self", None, in_a_year),
        ("soon", Some(&trusted), now + 5 * DAY + DAY / 2),
        ("client", Some(&trusted), in_a_year),
        ("stranger", Some(&other), in_a_year),
    ] {
        let mut params = CertificateParams::new(vec![format!("{name}.example.org")])?;
        params.distinguished_name.push(DnType::CommonName, name);
        params.not_after = end.into();
        let key = KeyPair::generate()?;
        let certificate = match issuer {
            Some(issuer) => params.signed_by(&key, issuer)?,
            None => params.self_signed(&key)?,
        };
        let text = certificate.pem() + &key.serialize_pem();
        fs::write(folder.join(format!("{name}.pem")), text)?;
    }
    Ok(())
}

/// nginx on port 80, on 8080 for HTTP/2 without TLS, on 443 for HTTPS with HTTP/2, and on 8443
/// for HTTPS without it. What a request was is told in the answer.
fn configuration(folder: &Path) -> String {
    let folder = folder.display();
    let tls = |name: &str, certificate: &str, more: &str| {
        format!(
            "server {{
                listen 443 ssl http2;
                listen 8443 ssl;
                server_name {name}.example.org;
                ssl_certificate {folder}/{certificate}.pem;
                ssl_certificate_key {folder}/{certificate}.pem;
                {more}
                location / {{ return 200 \"$ssl_server_name $server_protocol\\n\"; }}
            }}\n"
        )
    };
    let servers = [
        // The first one answers whoever asks for no known name.
        tls("default", "default", ""),
        tls("www", "www", ""),
        tls("expired", "expired", ""),
        tls("self", "self", ""),
        tls("soon", "soon", ""),
        tls(
            "mutual",
            "mutual",
            &format!("ssl_verify_client on; ssl_client_certificate {folder}/ca.pem;"),
        ),
    ]
    .concat();
    format!(
        "daemon off;
master_process off;
pid nginx.pid;
events {{ }}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    server {{
        listen 80;
        listen 8080 http2;
        root {folder}/www;
        location = /request {{
            return 200 \"$request_method $server_protocol $http_host [$http_x_probe]\\n\";
        }}
        location = /body {{
            proxy_set_header X-Method $request_method;
            proxy_set_header X-Body $request_body;
            proxy_method GET;
            proxy_pass http://127.0.0.1:8081;
        }}
        location = /moved {{ return 302 /request; }}
        location = /broken {{ return 503; }}
        location = /empty {{ return 204; }}
        location /private/ {{
            auth_basic status;
            auth_basic_user_file {folder}/users;
        }}
    }}
    server {{
        listen 127.0.0.1:8081;
        location / {{ return 200 \"$http_x_method [$http_x_body]\\n\"; }}
    }}
    {servers}
}}
"
    )
}

/// What a tool says of the file, up to the first blank.
fn digest(program: &str, path: &str) -> Result<String> {
    let output = Command::new(program).arg(path).output().with_context(|| program.to_owned())?;
    let text = String::from_utf8(output.stdout)?;
    Ok(text.split_whitespace().next().context("no digest")?.to_owned())
}

#[test]
fn nginx_is_asked_as_the_definitions_say() -> Result<()> {
    let lab = Lab::start()?;
    let body = |request: &str| {
        format!(
            r#"path = "/body", method = "{request}", body = "a=1&b=two", regex = "^{request} \\[a=1&b=two\\]\n$""#
        )
    };
    lab.expect(&[
        passes(r#"path = "/request", version = "1.0", contains = "GET HTTP/1.0 ""#),
        passes(r#"path = "/request", contains = "GET HTTP/1.1 10.77.0.11 []""#),
        passes(r#"path = "/request", version = "2", port = 8080, contains = "GET HTTP/2.0""#),
        fails(r#"path = "/request", contains = "HTTP/2.0""#, Cause::Content),
        passes(r#"path = "/request", host = "www.example.org", contains = " www.example.org ""#),
        passes(r#"path = "/request", headers = { X-Probe = "lvsd 1" }, contains = "[lvsd 1]""#),
        passes(
            r#"path = "/request", version = "2", port = 8080, host = "www.example.org", headers = { X-Probe = "lvsd 1" }, contains = "[lvsd 1]""#,
        ),
        passes(r#"path = "/request", method = "HEAD""#),
        passes(body("POST")),
        passes(body("PUT")),
        fails(r#"path = "/request", method = "POST", status = [405]"#, Cause::Status(200)),
    ])?;
    Ok(())
}

#[test]
fn a_password_is_sent_where_it_is_asked_for() -> Result<()> {
    let lab = Lab::start()?;
    lab.expect(&[
        fails(r#"path = "/private/status""#, Cause::Status(401)),
        fails(
            r#"path = "/private/status", auth = { user = "ops", password = "wrong" }"#,
            Cause::Status(401),
        ),
        passes(r#"path = "/private/status", auth = { user = "ops", password = "a secret" }"#),
    ])?;
    Ok(())
}

#[test]
fn statuses_and_redirects() -> Result<()> {
    let lab = Lab::start()?;
    let outcomes = lab.expect(&[
        passes(r#"path = "/empty""#),
        fails(r#"path = "/missing""#, Cause::Status(404)),
        passes(r#"path = "/missing", status = [200, "400-404"]"#),
        fails(r#"path = "/broken""#, Cause::Status(503)),
        // It is an answer, whatever stands behind it.
        fails(r#"path = "/moved""#, Cause::Status(302)),
        passes(r#"path = "/moved", status = [302]"#),
        passes(r#"urls = [{ path = "/data" }, { path = "/missing", status = [404] }]"#),
        fails(
            r#"urls = [{ path = "/data" }, { path = "/broken" }, { path = "/missing" }]"#,
            Cause::Status(503),
        ),
    ])?;
    let last = outcomes.last().context("no outcome")?.result.to_string();
    ensure!(last.starts_with("GET /broken: "), "{last}");
    Ok(())
}

#[test]
fn the_body_is_what_it_should_be() -> Result<()> {
    let lab = Lab::start()?;
    let data = lab.path("www/data");
    let (md5, sha256) = (digest("md5sum", &data)?, digest("sha256sum", &data)?);
    let zeros = "0".repeat(32);
    lab.expect(&[
        passes(format!(r#"path = "/data", md5 = "{md5}", sha256 = "{sha256}""#)),
        passes(format!(r#"path = "/data", version = "2", port = 8080, md5 = "{md5}""#)),
        fails(format!(r#"path = "/data", md5 = "{zeros}""#), Cause::Content),
        fails(format!(r#"path = "/data", sha256 = "{zeros}{zeros}""#), Cause::Content),
        // The digest is of the whole, of which only a part is read.
        fails(format!(r#"path = "/data", md5 = "{md5}", body_limit = 9999"#), Cause::Content),
        passes(format!(r#"path = "/data", md5 = "{md5}", body_limit = 10000"#)),
        passes(r#"path = "/data", contains = "9012", body_limit = 100"#),
        passes(r#"path = "/data", regex = "^(0123456789)+$""#),
        fails(r#"path = "/data", regex = "[a-z]""#, Cause::Content),
        passes(r#"path = "/data", regex_not = "[a-z]", contains_not = "error""#),
        fails(r#"path = "/data", regex_not = "78""#, Cause::Content),
        fails(r#"path = "/data", contains_not = "3456""#, Cause::Content),
        fails(r#"path = "/data", contains = "error""#, Cause::Content),
    ])?;
    Ok(())
}

#[test]
fn certificates_are_judged() -> Result<()> {
    let lab = Lab::start()?;
    let named = |name: &str, more: &str| {
        let authority = lab.path("ca.pem");
        let name = format!("{name}.example.org");
        format!(r#"port = 443, tls = {{ ca_file = "{authority}", server_name = "{name}" {more} }}"#)
    };
    let unverified = |name: &str| {
        format!(r#"port = 443, tls = {{ verify = false, server_name = "{name}.example.org" }}"#)
    };
    let other = lab.path("other_ca.pem");
    let outcomes = lab.expect(&[
        // nginx tells the name that it was asked for (SNI).
        passes(named("www", "") + r#", contains = "www.example.org HTTP/1.1""#),
        passes(named("www", "") + r#", version = "2", contains = "www.example.org HTTP/2.0""#),
        passes(named("www", "") + r#", version = "1.0", contains = "www.example.org HTTP/1.0""#),
        fails(named("unknown", ""), Cause::NameMismatch),
        fails(named("expired", ""), Cause::CertificateExpired),
        fails(named("self", ""), Cause::CertificateUntrusted),
        fails(
            format!(
                r#"port = 443, tls = {{ ca_file = "{other}", server_name = "www.example.org" }}"#
            ),
            Cause::CertificateUntrusted,
        ),
        passes(unverified("unknown")),
        passes(unverified("expired")),
        passes(unverified("self")),
        // nginx speaks no HTTP/2 there, and refuses whoever speaks nothing else.
        fails(named("www", "").replace("443", "8443") + r#", version = "2""#, Cause::Tls),
        fails("port = 80, https = true", Cause::Tls),
        passes(named("soon", r#", expiry_warning = "5d", expiry_failure = "4d""#)),
        fails(named("soon", r#", expiry_failure = "6d""#), Cause::CertificateExpired),
        passes(named("soon", r#", expiry_warning = "6d", expiry_failure = "5d""#)),
    ])?;
    let warnings: Vec<bool> =
        outcomes.iter().rev().take(3).map(|one| one.warning.is_some()).collect();
    // From the last to the first: a warning, a failure, neither.
    ensure!(warnings == [true, false, false], "{outcomes:?}");
    Ok(())
}

#[test]
fn a_certificate_is_shown_to_who_asks() -> Result<()> {
    let lab = Lab::start()?;
    let authority = lab.path("ca.pem");
    let asked_by = |host: &str, shown: &str| {
        format!(
            r#"port = 443, host = "{host}.example.org", tls = {{ ca_file = "{authority}" {shown} }}"#
        )
    };
    let showing = |name: &str| format!(r#", certificate_file = "{}""#, lab.path(name));
    lab.expect(&[
        passes(asked_by("mutual", &showing("client.pem"))),
        // nginx ends the handshake, and refuses the request.
        fails(asked_by("mutual", &showing("stranger.pem")), Cause::Status(400)),
        fails(asked_by("mutual", ""), Cause::Status(400)),
        // Whoever does not ask is not told.
        passes(asked_by("www", &showing("stranger.pem"))),
    ])?;
    Ok(())
}
