//! The start order of contract section 3, from the first instruction to power-off.
//!
//! Promises: signals are blocked before anything else; every failure to start, from the manifest on, is told to the host
//! as status `fatal` with its reason, an earlier one, for want of a way to tell it, to standard error; as PID 1 this never
//! returns, whatever happens, panics included. Never starts the application before everything it may rely on is there.

#![forbid(unsafe_code)]

mod aws;
pub mod close;
pub mod console;
pub mod entropy;
pub mod error;
pub mod init;
pub mod options;

use std::ffi::OsString;
use std::fmt;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::api::route::Surface;
use crate::api::{Api, Served};
use crate::app::command::{CommandError, Entrypoint};
use crate::app::light_client::{LightClient, LightClientError};
use crate::app::spawn::Output;
use crate::app::{shutdown, spawn, supervise};
use crate::aws::kms::proxy::Proxy;
use crate::aws::kms::recipient::Recipient;
use crate::aws::s3::Store;
use crate::config::limits;
use crate::config::manifest::{Manifest, VsockPorts};
use crate::http::server;
use crate::http::service::Service;
use crate::inbound::{self, AppStart, tls};
use crate::keys::Keys;
use crate::nsm::Nsm;
use crate::nsm::device::Device;
use crate::outbound;
use crate::outbound::dial::Dialer;
use crate::report::{Report, logger};
use crate::serve::Gates;
use crate::sys::process::{self, Exit, Pid};
use crate::sys::{memory, net, power, signal};
use crate::transport::{Listener, Transport};
use crate::wire::status::Status;
use aws::Aws;
use console::Console;
use error::BootError;
use options::{Options, Request, USAGE};

/// odyn, from `main` to the end.
pub fn main(args: impl Iterator<Item = OsString>) -> ExitCode {
    // A signal that comes earlier than this does what it does to any program.
    if let Err(e) = signal::block() {
        print(io::stderr(), format_args!("odyn: cannot block signals: {e}\n"));
    }
    memory::return_large_blocks();
    let code = match options::parse(args) {
        Ok(Request::Run(options)) => run(&options),
        Ok(Request::Help) => {
            print(io::stdout(), format_args!("{USAGE}"));
            0
        }
        Ok(Request::Version) => {
            print(io::stdout(), format_args!("odyn {}\n", env!("CARGO_PKG_VERSION")));
            0
        }
        Err(e) => {
            print(io::stderr(), format_args!("odyn: {e}\n{USAGE}\n"));
            2
        }
    };
    if Pid::this().is_init() {
        // Returning would be a kernel panic.
        print(io::stderr(), format_args!("odyn: cannot restart the machine: {}\n", power::restart()));
    }
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}

/// Prints whether or not anybody is there to read it: `print!` and `eprintln!` panic when the other end is closed.
fn print(mut to: impl Write, text: fmt::Arguments<'_>) {
    let _ = to.write_fmt(text);
}

/// Runs and reports; returns odyn's exit status.
fn run(options: &Options) -> i32 {
    logger::install("odyn", options.verbosity);
    let begun = Report::new(options.log_bytes, options.max_connections).and_then(|report| {
        let (console, pipes) = if options.console {
            let (console, reader) = Console::take_over()?;
            (Some(console), vec![reader])
        } else {
            (None, Vec::new())
        };
        Ok((report, console, pipes))
    });
    let (report, console, pipes) = match begun {
        Ok(begun) => begun,
        Err(e) => {
            print(io::stderr(), format_args!("odyn: cannot set up logging: {e}\n"));
            return 1;
        }
    };
    let mut odyn = Odyn {
        options,
        report,
        gates: Gates::default(),
        pipes,
        transport: None,
        served: false,
        nsm: None,
        light_client: None,
    };
    let outcome = catch_unwind(AssertUnwindSafe(|| odyn.run())).unwrap_or(Err(BootError::Panic));
    let (status, code) = match outcome {
        Ok(exit) => (Status::from(exit), exit.shell_code()),
        Err(e) => {
            log::error!("fatal: {e}");
            let usage = matches!(e, BootError::Command(CommandError::Missing)).then_some(USAGE).unwrap_or_default();
            match &console {
                Some(console) => console.say(&[&format!("fatal: {e}\n"), usage].concat()),
                None => print(io::stderr(), format_args!("{usage}")),
            }
            (Status::Fatal { error: e.to_string() }, e.exit_code())
        }
    };
    if catch_unwind(AssertUnwindSafe(|| odyn.finish(status, console.as_ref()))).is_err() {
        log::error!("the end was cut short by {}", BootError::Panic);
    }
    code
}

/// What is there while odyn runs.
struct Odyn<'a> {
    options: &'a Options,
    report: Report,
    /// Of everything that serves the application or the world; not of log and status, which outlive them.
    gates: Gates,
    /// What reads odyn's own output.
    pipes: Vec<OwnedFd>,
    /// Kept to the end: the final status goes through it.
    transport: Option<Arc<Transport>>,
    /// Somebody can connect and read the final status.
    served: bool,
    /// The Nitro Secure Module, once something needed it.
    nsm: Option<Arc<dyn Nsm>>,
    /// The light client, if the manifest has one.
    light_client: Option<LightClient>,
}

impl Odyn<'_> {
    /// Everything from PID 1's duties to the application's end.
    fn run(&mut self) -> Result<Exit, BootError> {
        let transport = Arc::new(self.open_transport()?);
        self.transport = Some(Arc::clone(&transport));
        self.prepare_process(&transport)?;
        let output = self.capture_output()?;
        let manifest = Manifest::load(&self.options.config_dir.join("enclaver.yaml"));
        // Served even when the manifest cannot be read, so that the host learns why.
        let ports = manifest.as_ref().map_or_else(|_| VsockPorts::default(), |manifest| manifest.vsock_ports);
        self.serve_report(&transport, &ports)?;
        self.served = true;
        let manifest = manifest?;
        let entrypoint = Entrypoint::find(&self.options.entrypoint, Path::new("/"))?;
        let account = self.options.user.as_ref().map(|user| user.resolve(Path::new("/"))).transpose()?;
        let descriptors = process::raise_descriptor_limit(limits::DESCRIPTORS).map_err(BootError::Thread)?;
        if self.options.bootstrap {
            net::loopback_up().map_err(BootError::Loopback)?;
            entropy::seed(self.nsm()?.as_ref())?;
            let user = account.as_ref().map(|account| account.identity);
            close::nsm(manifest.nsm_exposed, user).map_err(BootError::CloseNsm)?;
            close::settings();
        }
        // A verifier is told of the root even when nothing in odyn itself needs the module.
        #[cfg(feature = "sim")]
        if self.options.sim_root.is_some() {
            self.nsm()?;
        }
        let app_start = self.start_services(&transport, &manifest)?;
        let app = spawn::spawn(&entrypoint, &manifest.environment(), account.as_ref(), descriptors, output)?;
        // Set once and only here; ingress retries until then.
        let _ = app_start.set(Instant::now());
        log::info!("started the application as process {app}");
        self.report.board.post(Status::Running);
        Ok(supervise::until_exit(app, self.light_client.take()))
    }

    fn open_transport(&self) -> Result<Transport, BootError> {
        #[cfg(feature = "sim")]
        if let Some(path) = &self.options.vsock_path {
            let guest = crate::transport::guest::Guest::bind(path);
            return guest.map(Transport::Hybrid).map_err(|e| BootError::Hybrid(path.clone(), e));
        }
        Ok(Transport::Vsock(self.options.host_cid))
    }

    fn prepare_process(&self, transport: &Transport) -> Result<(), BootError> {
        process::close_memory().map_err(BootError::Memory)?;
        if !Pid::this().is_init() {
            return process::become_subreaper().map_err(BootError::Subreaper);
        }
        if self.options.bootstrap {
            init::prepare_machine();
            init::heartbeat(transport);
        }
        Ok(())
    }

    /// Starts copying output into the log; returns where the application's goes.
    fn capture_output(&mut self) -> Result<Output, BootError> {
        if !self.options.console {
            // Nothing to copy, which says that the log is complete.
            self.report.capture(Vec::new()).map_err(BootError::Console)?;
            return Ok(Output::Inherited);
        }
        let (reader, writer) = io::pipe().map_err(BootError::Console)?;
        let mut pipes = std::mem::take(&mut self.pipes);
        pipes.push(reader.into());
        self.report.capture(pipes).map_err(BootError::Console)?;
        Ok(Output::Pipe(writer.into()))
    }

    fn serve_report(&self, transport: &Transport, ports: &VsockPorts) -> Result<(), BootError> {
        let log = listen(transport, "log", ports.log.number())?;
        let status = listen(transport, "status", ports.status.number())?;
        self.report.serve(log, status).map_err(BootError::Thread)
    }

    /// The module, opened when first needed and then shared: a simulated one has one root for all.
    fn nsm(&mut self) -> Result<Arc<dyn Nsm>, BootError> {
        if let Some(nsm) = &self.nsm {
            return Ok(Arc::clone(nsm));
        }
        let nsm = self.open_nsm()?;
        let told = nsm.describe()?;
        let (major, minor, patch) = told.version;
        let (id, locked, pcrs) = (&told.module_id, told.locked_pcrs.len(), told.max_pcrs);
        log::info!("NSM {id}, version {major}.{minor}.{patch}, {locked} of {pcrs} PCRs locked, {}", told.digest);
        Ok(Arc::clone(self.nsm.insert(nsm)))
    }

    fn open_nsm(&self) -> Result<Arc<dyn Nsm>, BootError> {
        #[cfg(feature = "sim")]
        if self.options.simulated_nsm {
            let nsm = crate::sim::nsm::Simulated::new()?;
            if let Some(path) = &self.options.sim_root {
                nsm.write_root(path)?;
            }
            return Ok(Arc::new(nsm));
        }
        Ok(Arc::new(Device::open()?))
    }

    /// Egress first, ingress last: nothing comes in before everything the application may need is there.
    fn start_services(&mut self, transport: &Arc<Transport>, manifest: &Manifest) -> Result<AppStart, BootError> {
        if let Some(egress) = &manifest.egress {
            let gate = self.open_gate()?;
            let port = egress.proxy_port.number();
            let listener = Listener::loopback(port).map_err(|e| BootError::Listen("egress proxy", port, e))?;
            let dialer = Dialer::new(Arc::clone(transport), manifest.vsock_ports.egress.number().into());
            outbound::proxy::spawn(listener, &gate, egress.policy.clone(), dialer).map_err(BootError::Thread)?;
        }
        self.start_light_client(transport, manifest)?;
        let aws = Aws::open(transport, manifest)?;
        self.start_kms_proxy(aws.as_ref(), manifest)?;
        self.start_apis(aws.as_ref(), manifest)?;
        let app_start = AppStart::default();
        for ingress in &manifest.ingress {
            let port = ingress.port.number();
            let files = ingress.tls.as_ref();
            let tls = files.map(|files| tls::load(files.paths(&self.options.config_dir, ingress.port))).transpose()?;
            let listener = listen(transport, "ingress", port)?;
            let gate = self.open_gate()?;
            inbound::spawn(port, tls, listener, &gate, Arc::clone(&app_start)).map_err(BootError::Thread)?;
        }
        Ok(app_start)
    }

    /// The light client, with a way to the egress proxy that takes no network: it has none.
    fn start_light_client(&mut self, transport: &Arc<Transport>, manifest: &Manifest) -> Result<(), BootError> {
        let (Some(helios), Some(egress)) = (&manifest.helios, &manifest.egress) else { return Ok(()) };
        let name = format!("odyn-egress-{}", Pid::this());
        let port = helios.port.number();
        let listener = Listener::named(&name).map_err(|e| LightClientError::Listen(port, e))?;
        let gate = self.open_gate()?;
        let dialer = Dialer::new(Arc::clone(transport), manifest.vsock_ports.egress.number().into());
        outbound::proxy::spawn(listener, &gate, egress.policy.clone(), dialer).map_err(BootError::Thread)?;
        let gate = self.open_gate()?;
        self.light_client = Some(LightClient::start(helios, &name, &gate, self.options.verbosity)?);
        Ok(())
    }

    /// The KMS proxy, whose key is being made while everything else starts.
    fn start_kms_proxy(&mut self, aws: Option<&Aws>, manifest: &Manifest) -> Result<(), BootError> {
        let (Some(kms), Some(aws)) = (&manifest.kms_proxy, aws) else { return Ok(()) };
        let recipient = Recipient::new(self.nsm()?).map_err(BootError::Thread)?;
        let proxy = Proxy::new(aws.client.clone(), aws.provider.clone(), recipient, kms.endpoints.clone());
        self.start_server(Arc::new(proxy), kms.port.number())
    }

    /// Makes the keys and serves both APIs with them. Without keys there is no start.
    fn start_apis(&mut self, aws: Option<&Aws>, manifest: &Manifest) -> Result<(), BootError> {
        let ports = [(Surface::Internal, manifest.api), (Surface::Auxiliary, manifest.aux_api)];
        if ports.iter().all(|(_, port)| port.is_none()) {
            return Ok(());
        }
        let nsm = self.nsm()?;
        let storage = aws.zip(manifest.storage.clone());
        let storage = storage.map(|(aws, s3)| Store::new(aws.client.clone(), aws.provider.clone(), s3));
        let api = Arc::new(Api::new(Keys::generate(nsm.as_ref())?, nsm, storage));
        for (surface, port) in ports {
            let Some(port) = port else { continue };
            self.start_server(Arc::new(Served { surface, api: Arc::clone(&api) }), port.number())?;
        }
        Ok(())
    }

    /// One of the HTTP servers on the enclave's loopback.
    fn start_server(&mut self, service: Arc<dyn Service>, port: u16) -> Result<(), BootError> {
        let listener = Listener::loopback(port).map_err(|e| BootError::Listen(service.name(), port, e))?;
        let gate = self.open_gate()?;
        server::spawn(&service, listener, &gate).map_err(|e| BootError::Api(service.name(), e))
    }

    fn open_gate(&mut self) -> Result<Arc<crate::serve::Gate>, BootError> {
        self.gates.open(self.options.max_connections).map_err(BootError::Thread)
    }

    /// Contract section 3, when the application has ended: stop accepting, drain, end what is left, serve the final
    /// status until a host has read it.
    fn finish(&self, status: Status, console: Option<&Console>) {
        let cut = self.gates.drain(limits::DRAIN);
        if cut > 0 {
            log::warn!("cut {cut} connections that were still open {:?} after the application's end", limits::DRAIN);
        }
        shutdown::end_leftovers();
        if let Some(console) = console {
            console.give_back();
        }
        self.report.close_log();
        self.report.board.post(status);
        if self.served {
            self.wait_for_host();
        }
        if let Some(transport) = &self.transport {
            transport.close();
        }
    }

    /// Until a host has read everything, for [`limits::FINAL_STATUS_WAIT`], or until an operator is tired of waiting.
    fn wait_for_host(&self) {
        let deadline = Instant::now() + limits::FINAL_STATUS_WAIT;
        if self.report.wait_read(Instant::now() + limits::LOG_CLOSE) {
            return;
        }
        // Standard error is an operator's terminal again, if there is one.
        log::info!("waiting up to {:?} for a host to read the status; Ctrl-C ends the wait", limits::FINAL_STATUS_WAIT);
        while Instant::now() < deadline {
            if self.report.wait_read(deadline.min(Instant::now() + limits::SIGNAL_CHECK)) {
                return;
            }
            if let Ok(Some(signal)) = signal::wait(&supervise::ENDING, Duration::ZERO) {
                return log::warn!("{signal}: no longer waiting for a host to read the final status");
            }
        }
        log::warn!("no host read the status and the log to their ends");
    }
}

fn listen(transport: &Transport, what: &'static str, port: u16) -> Result<Listener, BootError> {
    transport.listen(port.into()).map_err(|e| BootError::Listen(what, port, e))
}
