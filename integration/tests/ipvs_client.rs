//! The crate `ipvs` on a real kernel: its client, its fake kernel, and `lvsctl list` beside the
//! real ipvsadm.

use std::net::IpAddr;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result, ensure};
use integration::kernel::require_ipvs;
use integration::namespace::Namespace;
use ipvs::fake::FakeKernel;
use ipvs::{
    Client, Daemon, DaemonRole, Destination, DestinationKey, Error, Forward, Kernel, Operation,
    Persistence, Scheduler, Service, ServiceFlags, ServiceKey, Stats, Table, Timeouts, Tunnel,
    TunnelChecksum, TunnelKind, Weight,
};

/// Runs a test inside a network namespace of its own whose `lo` is up.
fn in_namespace(test: impl FnOnce(Client) -> Result<()> + Send) {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let run = || -> Result<()> {
        require_ipvs()?;
        let namespace = Namespace::new(&format!("ipvs{}-{number}", std::process::id()))?;
        namespace.enter(|| {
            run("ip", "link set lo up")?;
            test(Client::open()?)
        })
    };
    if let Err(error) = run() {
        panic!("{error:#}");
    }
}

/// What a command printed, in this thread's namespace.
fn run(program: &str, arguments: &str) -> Result<String> {
    let mut command = Command::new(program);
    let output = command
        .args(arguments.split_whitespace())
        .output()
        .with_context(|| format!("starting {program}"))?;
    ensure!(
        output.status.success(),
        "`{program} {arguments}` ended with {}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8(output.stdout)?)
}

fn key(text: &str) -> Result<ServiceKey> {
    Ok(text.parse()?)
}

fn service(text: &str, scheduler: &str) -> Result<Service> {
    Ok(Service {
        key: key(text)?,
        scheduler: scheduler.parse()?,
        flags: ServiceFlags::NONE,
        persistence: None,
        persistence_engine: None,
    })
}

fn destination(address: &str, forward: Forward, weight: u32) -> Result<Destination> {
    Ok(Destination {
        key: DestinationKey::new(address.parse()?),
        forward,
        weight: Weight::new(weight).context("a weight")?,
        upper_threshold: 0,
        lower_threshold: 0,
    })
}

fn tunnel(kind: TunnelKind, checksum: TunnelChecksum) -> Forward {
    Forward::Tunnel(Tunnel { kind, checksum })
}

/// Every kind of service and destination, with addresses whose order in ipvsadm is not that of
/// their numbers.
fn every_kind() -> Result<Vec<(Service, Vec<Destination>)>> {
    let flags = |mut service: Service, flags| {
        service.flags = flags;
        service
    };
    let persistent = |mut service: Service, timeout, prefix| {
        service.persistence = Some(Persistence { timeout, prefix });
        service
    };
    let engine = |mut service: Service| -> Result<Service> {
        service.persistence_engine = Some("sip".parse::<Scheduler>()?);
        Ok(service)
    };
    let ops = ServiceFlags::ONE_PACKET;
    let (first, second) = (ServiceFlags::SCHED_1, ServiceFlags::SCHED_2);
    let mut limited = destination("198.51.100.2:8080", Forward::Masquerade, 2)?;
    (limited.upper_threshold, limited.lower_threshold) = (1000, 800);
    let web = vec![
        destination("198.51.100.1:80", Forward::DirectRoute, 0)?,
        limited,
        destination("198.51.100.3:80", Forward::Tunnel(Tunnel::IPIP), i32::MAX.cast_unsigned())?,
        destination(
            "198.51.100.4:80",
            tunnel(TunnelKind::Gue { port: 6080 }, TunnelChecksum::None),
            1,
        )?,
        destination(
            "198.51.100.5:80",
            tunnel(TunnelKind::Gue { port: 6081 }, TunnelChecksum::RemoteOffload),
            1,
        )?,
        destination("198.51.100.6:80", tunnel(TunnelKind::Gre, TunnelChecksum::Checksum), 1)?,
        destination("[2001:db8:1::1]:80", Forward::Tunnel(Tunnel::IPIP), 1)?,
        destination("10.9.9.9:80", Forward::Masquerade, 1)?,
    ];
    Ok(vec![
        (service("tcp 192.0.2.10:80", "wlc")?, web),
        (flags(service("udp 192.0.2.10:53", "rr")?, ops), vec![]),
        (service("tcp 10.0.0.1:80", "sed")?, vec![]),
        (service("tcp 100.64.0.1:65535", "nq")?, vec![]),
        (
            persistent(flags(service("tcp [2001:db8::10]:443", "sh")?, first | second), 600, 64),
            vec![
                destination("[2001:db8:1::1]:443", Forward::DirectRoute, 1)?,
                destination("198.51.100.9:443", Forward::Tunnel(Tunnel::IPIP), 1)?,
            ],
        ),
        (
            persistent(flags(service("fwmark 7", "mh")?, second), 300, 24),
            vec![destination("198.51.100.9:0", Forward::DirectRoute, 1)?],
        ),
        (service("fwmark 7 IPv6", "rr")?, vec![]),
        (service("fwmark 4294967295", "rr")?, vec![]),
        (service("sctp 192.0.2.11:9999", "lblcr")?, vec![]),
        (engine(flags(service("udp 192.0.2.12:5060", "rr")?, ops))?, vec![]),
        (engine(persistent(service("udp 192.0.2.12:5061", "rr")?, 90, 32))?, vec![]),
        (persistent(service("tcp 192.0.2.13:0", "dh")?, 360, 32), vec![]),
        (service("tcp 192.0.2.13:25", "none")?, vec![]),
    ])
}

fn additions(table: &[(Service, Vec<Destination>)]) -> Vec<Operation> {
    let one = |(service, destinations): &(Service, Vec<Destination>)| {
        let key = service.key;
        let destinations = destinations.iter().map(move |&d| Operation::NewDestination(key, d));
        std::iter::once(Operation::NewService(service.clone())).chain(destinations).collect()
    };
    table.iter().flat_map(one as fn(&_) -> Vec<Operation>).collect()
}

fn all_done(results: Vec<Result<(), Error>>) -> Result<()> {
    results.into_iter().collect::<Result<(), Error>>()?;
    Ok(())
}

/// Services and destinations by key, without counters.
fn settings(table: &Table) -> Vec<(Service, Vec<Destination>)> {
    let mut settings: Vec<(Service, Vec<Destination>)> = table
        .services
        .iter()
        .map(|s| {
            let destinations = s.destinations.iter().map(|entry| entry.destination).collect();
            (s.entry.service.clone(), destinations)
        })
        .collect();
    settings.sort_by_key(|(service, _)| service.key);
    for (_, destinations) in &mut settings {
        destinations.sort_by_key(|destination| destination.key);
    }
    settings
}

#[test]
fn what_is_written_is_read_back() {
    in_namespace(|mut client| {
        let mut wanted = every_kind()?;
        all_done(client.execute(&additions(&wanted)))?;
        wanted.sort_by_key(|(service, _)| service.key);
        for (_, destinations) in &mut wanted {
            destinations.sort_by_key(|destination| destination.key);
        }
        let table = client.table()?;
        ensure!(settings(&table) == wanted, "{table:#?}");
        for (service, destinations) in &wanted {
            let entry = client.service(&service.key)?.context("the service")?;
            ensure!(entry.service == *service && entry.stats == Stats::default(), "{entry:?}");
            ensure!(client.destinations(&service.key)?.len() == destinations.len());
        }
        ensure!(client.service(&key("tcp 192.0.2.99:1")?)?.is_none());
        ensure!(client.info()?.version >= 0x0001_0201);

        // Every setting changes, the persistence engine and the persistence go.
        let mut changed = wanted.clone();
        for (service, destinations) in &mut changed {
            service.scheduler = "wrr".parse()?;
            service.flags = ServiceFlags::SCHED_3;
            service.persistence_engine = None;
            service.persistence = None;
            for destination in destinations {
                destination.weight = Weight::new(destination.weight.get() / 2).context("weight")?;
                destination.upper_threshold += 7;
            }
        }
        let changes = additions(&changed).into_iter().map(|operation| match operation {
            Operation::NewService(service) => Operation::SetService(service),
            Operation::NewDestination(key, d) => Operation::SetDestination(key, d),
            other => other,
        });
        all_done(client.execute(&changes.collect::<Vec<_>>()))?;
        ensure!(settings(&client.table()?) == changed, "{:#?}", client.table());

        all_done(client.execute(&[Operation::Zero(None), Operation::Flush]))?;
        ensure!(client.table()?.services.is_empty());
        Ok(())
    });
}

#[test]
fn daemons_and_timeouts_are_read_back() {
    in_namespace(|mut client| {
        let daemon = |role, group: &str| -> Result<Daemon> {
            Ok(Daemon {
                role,
                interface: "lo".to_owned(),
                sync_id: 51,
                max_length: Some(1300),
                group: Some(group.parse::<IpAddr>()?),
                port: Some(8850),
                ttl: Some(3),
            })
        };
        let timeouts = Timeouts { tcp: 901, tcp_fin: 121, udp: 301 };
        let master = daemon(DaemonRole::Master, "224.0.0.82")?;
        let backup = daemon(DaemonRole::Backup, "ff02::82")?;
        all_done(client.execute(&[
            Operation::SetTimeouts(timeouts),
            Operation::NewDaemon(master.clone()),
            Operation::NewDaemon(backup.clone()),
        ]))?;
        ensure!(client.timeouts()? == timeouts);
        let running = client.daemons()?;
        ensure!(running == [master, backup], "{running:?}");
        for (mode, ipvsadm) in [("--daemon", "-L --daemon"), ("--timeout", "-L --timeout")] {
            same_list(mode, ipvsadm)?;
        }
        all_done(client.execute(&[
            Operation::DelDaemon(DaemonRole::Master),
            Operation::DelDaemon(DaemonRole::Backup),
        ]))?;
        ensure!(client.daemons()?.is_empty());
        Ok(())
    });
}

/// What the kernel makes of lengths that do not suit it.
#[test]
fn the_length_of_sync_messages_is_clamped() {
    in_namespace(|mut client| {
        for (role, group, asked, told) in [
            (DaemonRole::Master, "224.0.0.81", 512, 512),
            (DaemonRole::Backup, "224.0.0.81", 512, 1024),
            (DaemonRole::Backup, "224.0.0.81", 65_507, 65_507),
            (DaemonRole::Backup, "ff02::81", 65_507, 65_487),
        ] {
            let daemon = Daemon {
                role,
                interface: "lo".to_owned(),
                sync_id: 51,
                max_length: Some(asked),
                group: Some(group.parse::<IpAddr>()?),
                port: None,
                ttl: None,
            };
            all_done(client.execute(&[Operation::NewDaemon(daemon)]))?;
            let running = client.daemons()?;
            ensure!(running[0].max_length == Some(told), "{asked} for {group}: {running:?}");
            all_done(client.execute(&[Operation::DelDaemon(role)]))?;
        }
        Ok(())
    });
}

/// More operations than the window, more destinations than a datagram of a dump has room for.
#[test]
fn thousands_of_operations_in_one_call() {
    in_namespace(|mut client| {
        let services = 20;
        let mut table = Vec::new();
        for index in 0..services {
            let service = service(&format!("tcp 192.0.2.{index}:80"), "wlc")?;
            let mut destinations = Vec::new();
            for host in 0..200 {
                let address = format!("10.1.{index}.{}:80", host + 1);
                destinations.push(destination(&address, Forward::DirectRoute, host)?);
            }
            destinations.sort_by_key(|destination| destination.key);
            table.push((service, destinations));
        }
        all_done(client.execute(&additions(&table)))?;
        ensure!(settings(&client.table()?) == table);
        // Every second one fails, and each failure finds its own operation.
        let web = key("tcp 192.0.2.0:80")?;
        let mixed: Vec<Operation> = (0..500)
            .map(|index| {
                let known = index % 2 == 0;
                let host = if known { index % 200 + 1 } else { 250 };
                destination(&format!("10.1.0.{host}:80"), Forward::DirectRoute, 9)
                    .map(|destination| Operation::SetDestination(web, destination))
            })
            .collect::<Result<_>>()?;
        for (index, result) in client.execute(&mixed).into_iter().enumerate() {
            let expected = (index % 2 == 1).then(|| {
                "ipvs: SET_DEST tcp 192.0.2.0:80 -> 10.1.0.250:80: No such destination".to_owned()
            });
            ensure!(result.err().map(|error| error.to_string()) == expected, "operation {index}");
        }
        Ok(())
    });
}

/// `lvsctl list MODE` beside ipvsadm with the arguments that mean the same.
fn same_list(mode: &str, ipvsadm: &str) -> Result<()> {
    let lvsctl = integration::paths::program("lvsctl")?;
    let ours = run(&lvsctl.to_string_lossy(), &format!("list {mode}"))?;
    let theirs = run("ipvsadm", ipvsadm)?;
    ensure!(ours == theirs, "lvsctl list {mode}:\n{ours}\nipvsadm {ipvsadm}:\n{theirs}");
    Ok(())
}

#[test]
fn the_list_equals_ipvsadm_in_every_mode() {
    in_namespace(|mut client| {
        all_done(client.execute(&additions(&every_kind()?)))?;
        for mode in [
            "-n",
            "",
            "-n --stats",
            "--stats",
            "-n --stats --exact",
            "-n --rate",
            "-n --rate --exact",
            "-n --thresholds",
            "-n --persistent-conn",
            "-n --nosort",
            "-n --stats --nosort",
            "-n -t 192.0.2.10:80",
            "-n -u 192.0.2.12:5061 --stats",
            "-n -f 7",
            "-n -f 7 -6",
            "-n -c",
        ] {
            same_list(mode, &format!("-L {mode}"))?;
        }
        Ok(())
    });
}

/// What mistakes, and things that look like mistakes, are answered with.
fn mistakes() -> Result<Vec<Operation>> {
    use Operation::{
        DelDaemon, DelDestination, DelService, Flush, NewDaemon, NewDestination, NewService,
        SetDestination, SetService, SetTimeouts, Zero,
    };
    let web = service("tcp 192.0.2.10:80", "wlc")?;
    let key_of_web = web.key;
    let missing = key("tcp 192.0.2.99:80")?;
    let changed = |change: &dyn Fn(&mut Service) -> Result<()>| -> Result<Service> {
        let mut service = service("tcp 192.0.2.11:80", "wlc")?;
        change(&mut service)?;
        Ok(service)
    };
    let routed = |address: &str| destination(address, Forward::DirectRoute, 1);
    let real = routed("198.51.100.1:80")?;
    let mut limits = routed("198.51.100.2:80")?;
    (limits.lower_threshold, limits.upper_threshold) = (2, 1);
    let most = |upper| Destination { upper_threshold: upper, lower_threshold: 0, ..limits };
    let portless = tunnel(TunnelKind::Gue { port: 0 }, TunnelChecksum::None);
    let mixed = destination("[2001:db8::1]:80", Forward::Tunnel(Tunnel::IPIP), 1)?;
    let mut without_prefix = service("tcp [2001:db8::11]:80", "wlc")?;
    without_prefix.persistence = Some(Persistence { timeout: 60, prefix: 0 });
    let master = |group: Option<IpAddr>| Daemon {
        role: DaemonRole::Master,
        interface: "lo".to_owned(),
        sync_id: 5,
        max_length: None,
        group,
        port: None,
        ttl: None,
    };
    let mut operations = vec![
        NewService(web.clone()),
        NewService(web.clone()),
        NewService(changed(&|s| {
            s.scheduler = "nosuch".parse()?;
            Ok(())
        })?),
        NewService(changed(&|s| {
            s.persistence_engine = Some("nosuch".parse()?);
            Ok(())
        })?),
        NewService(without_prefix),
        // The kernel takes what ipvsadm refuses: every port without persistence.
        NewService(service("tcp 192.0.2.12:0", "rr")?),
        SetService(service("tcp 192.0.2.99:80", "wlc")?),
        DelService(missing),
        Zero(Some(missing)),
        NewDestination(missing, real),
        SetDestination(missing, real),
        DelDestination(missing, real.key),
        SetDestination(key_of_web, real),
        DelDestination(key_of_web, real.key),
        NewDestination(key_of_web, real),
        NewDestination(key_of_web, real),
        NewDestination(key_of_web, limits),
        NewDestination(key_of_web, most(i32::MAX.cast_unsigned())),
        NewDestination(key_of_web, most(1 << 31)),
        SetDestination(key_of_web, most(1 << 31)),
        NewDestination(key_of_web, destination("198.51.100.3:80", portless, 1)?),
        // The port of a directly routed server may differ, though it is of no use.
        NewDestination(key_of_web, routed("198.51.100.4:81")?),
        NewDestination(key_of_web, destination("198.51.100.5:80", Forward::Bypass, 1)?),
        NewDestination(key_of_web, mixed),
        NewDaemon(master(None)),
        DelDestination(key_of_web, mixed.key),
        NewDaemon(master(Some("192.0.2.1".parse()?))),
        NewDaemon(master(None)),
        NewDaemon(master(None)),
        NewDestination(key_of_web, mixed),
        DelDaemon(DaemonRole::Master),
        DelDaemon(DaemonRole::Master),
        SetTimeouts(Timeouts { tcp: 0, tcp_fin: 7, udp: 0 }),
    ];
    for address in ["224.0.0.1:80", "255.255.255.255:80", "0.0.0.0:80", "[2001:db8::2]:80"] {
        operations.push(NewDestination(key_of_web, routed(address)?));
    }
    let six = service("tcp [2001:db8::10]:80", "wlc")?;
    operations.push(NewService(six.clone()));
    for address in
        ["[::]:80", "[ff02::1]:80", "[fe80::1]:80", "198.51.100.1:80", "[2001:db8::2]:80"]
    {
        operations.push(NewDestination(six.key, routed(address)?));
    }
    operations.extend([Zero(Some(six.key)), Zero(None), DelService(six.key)]);
    operations.extend([SetService(service("tcp 192.0.2.10:80", "rr")?), Flush]);
    Ok(operations)
}

/// The fake kernel of the crate's users gives the real one's answers, step by step.
#[test]
fn the_fake_kernel_answers_as_the_real_one() {
    in_namespace(|mut client| {
        let mut fake = FakeKernel::new();
        for operation in mistakes()? {
            let text = |kernel: &mut dyn Kernel| {
                let results = kernel.execute(std::slice::from_ref(&operation));
                results.into_iter().map(|r| r.map_err(|e| e.to_string())).collect::<Vec<_>>()
            };
            let (real, faked) = (text(&mut client), text(&mut fake));
            println!("{operation}: {real:?}");
            ensure!(real == faked, "{operation}: the fake says {faked:?}, the kernel {real:?}");
            let (real, faked) = (client.table()?, fake.table()?);
            ensure!(
                settings(&real) == settings(&faked),
                "after {operation}: the fake has {faked:#?}, the kernel {real:#?}"
            );
        }
        ensure!(client.timeouts()? == fake.timeouts());
        Ok(())
    });
}
