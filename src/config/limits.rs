//! Every cap, deadline and size, once, each with its reason (contract section 13).
//!
//! Nothing in odyn reads without a cap, waits without a deadline or queues without a bound; the numbers are all here so
//! that an auditor can add them up.

pub use host::*;

use std::time::Duration;

/// Those of `odyn-host` alone.
mod host;

/// Connections one listener serves at once; further ones wait in the kernel's backlog. `--max-connections` overrides.
pub const MAX_CONNECTIONS: usize = 1024;

/// Longest request head (request line and header fields) the egress proxy and the APIs read: what nginx and Apache
/// accept by default is 8 KiB a line, and large cookies are the reason it is not less.
pub const REQUEST_HEAD: usize = 16 << 10;

/// Longest response head taken from an upstream. Twice the request's: some set a dozen cookies, none comes near this.
pub const RESPONSE_HEAD: usize = 32 << 10;

/// Header fields in one head. The head's size bounds them already; this bounds the work of comparing them.
pub const HEADER_FIELDS: usize = 100;

/// Longest line that announces a chunk (its size in hexadecimal and extensions, which nobody uses).
pub const CHUNK_LINE: usize = 1 << 10;

/// Longest trailer section behind the last chunk.
pub const TRAILER: usize = 8 << 10;

/// Largest API request body.
pub const API_BODY: usize = 10 << 20;

/// Most values in the JSON of an API request: the access list of a transaction that takes all the gas of a block has half
/// as many. A value's text may have two bytes, where it takes 32 in memory, and an object 600.
pub const API_VALUES: usize = 1 << 16;

/// From the end of an API request's head to the end of its body. The client is on this machine: 10 MiB take it
/// milliseconds. As long may it take to read the answer.
pub const API_TRANSFER: Duration = Duration::from_secs(10);

/// Bytes of requests on their way in and of answers on their way out that one API holds at once, all connections together:
/// six of the largest bodies. A large request that would go beyond is answered with 503. What handlers work on is beside.
pub const API_HELD: usize = 64 << 20;

/// How often a body may be copied while it is answered: parsed, sealed, in hexadecimal, in JSON. There must be room for as
/// much before that begins, or the answer is 503.
pub const API_COPIES: usize = 8;

/// What is set aside for an answer's head, and for a body of JSON, before either is written: most need no more.
pub const API_USUAL_ANSWER: usize = 512;

/// Threads that serve one API's requests. The work is a few milliseconds of arithmetic or a turn at the NSM, which takes
/// one caller at a time; enclaves have two to four CPUs.
pub const API_HANDLERS: usize = 4;

/// How long a request may take once it was read, waiting for a handler included: above the longest wait for the NSM.
pub const API_ANSWER: Duration = Duration::from_secs(30);

/// How long a connection that is being closed is read from, so that its peer gets to see the last answer: closing with
/// unread bytes resets the connection and may destroy the answer on its way.
pub const API_LINGER: Duration = Duration::from_secs(2);

/// Stack of an API handler's thread: point arithmetic in a debug build, a copy of the generator's 31 KiB of multiples, and
/// JSON nested 128 deep.
pub const API_STACK: usize = 1 << 20;

/// From a request's first byte (for a connection's first request: from the connection) to the end of its head.
pub const HEADER_READ: Duration = Duration::from_secs(10);

/// How long an egress client's connection is kept between two requests. Longer than the pools of the usual clients
/// (15 to 60 s), so that it is they who close and no request is lost to a race.
pub const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// TLS handshake from the first byte to the last, on the connection's own thread.
pub const TLS_HANDSHAKE: Duration = Duration::from_secs(10);

/// Connecting to an upstream, name look-up on the host included.
pub const UPSTREAM_CONNECT: Duration = Duration::from_secs(10);

/// Time for the peer across vsock to read or write one small frame or line.
pub const FRAME: Duration = Duration::from_secs(10);

/// A tunnel in which nothing moves either way for this long is closed. Long enough for a language model that thinks.
pub const IDLE_TUNNEL: Duration = Duration::from_secs(15 * 60);

/// How long an answer may take when the client has ended its stream: most that do have gone and wait for nothing.
pub const HALF_CLOSED: Duration = Duration::from_secs(60);

/// After this long without traffic a tunnel gives its buffers back.
pub const BUFFER_LINGER: Duration = Duration::from_secs(1);

/// Size of the buffer on its thread's stack that a tunnel begins with: most requests fit, and an idle connection's stack
/// stays within two pages.
pub const PUMP_SMALL: usize = 2 << 10;

/// Size of a tunnel's buffer while more flows than that. 64 KiB is what a pipe or a UNIX socket moves at once; more was not
/// faster.
pub const PUMP_BUFFER: usize = 64 << 10;

/// How many such buffers in a row come full before a direction is a stream, and the kernel is asked to move its bytes: half
/// a MiB, more than most answers have.
pub const PUMP_STREAM: u32 = 8;

/// What a stream's pipe holds at most. A quarter of what the kernel allows anybody; twice as much was not faster.
pub const PUMP_PIPE: usize = 256 << 10;

/// Streams that have a pipe at once, each with two descriptors and the pages of one read; others are copied.
pub const PUMP_PIPES: usize = 256;

/// How many full buffers one direction of a tunnel moves before it looks at the other again: half a MiB, a fraction of a
/// millisecond.
pub const PUMP_TURN: usize = 8;

/// Ciphertext read from a TLS client at once: three records of 16 KiB and what frames them. Held only while bytes flow.
pub const TLS_INPUT: usize = 50 << 10;

/// What is written to a vsock socket at once. The kernel makes one packet of it, and keeps one of up to 32 KiB, its own
/// header among them, in one piece; larger ones have several, at which hosts that are built on rust-vmm's virtio-vsock
/// (vhost-device-vsock 0.3) never receive anything more.
pub const VSOCK_WRITE: usize = 28 << 10;

/// Stack of a connection's thread. The deepest use is a TLS handshake, measured well below half of this.
pub const THREAD_STACK: usize = 128 << 10;

/// What must be left for a thread to be started and for a large buffer to be had: what is allocated in small pieces, by this
/// connection and all others, cannot be refused, and comes to less than this between two looks. An allocator asks for a MiB
/// at once, and several listeners may start a thread at the same time.
pub const HEADROOM: usize = 4 << 20;

/// How long a connection's thread waits for another connection when its own has ended, before it ends too: across the
/// gaps between a client's requests, but not the memory of a busy minute for the rest of the hour.
pub const IDLE_THREAD: Duration = Duration::from_secs(5);

/// How many threads of one listener wait like that at once: as many as can be of use on an enclave's few processors.
pub const IDLE_THREADS: usize = 16;

/// How long an accept loop pauses after accepting failed (no descriptors, no threads): long enough not to spin, short
/// enough that service is back at once.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Connections waiting to be accepted on the UNIX-socket transport, as many as `listen(2)` keeps for the others.
pub const BACKLOG: usize = 128;

/// Connections waiting to be accepted on a TCP port, if the kernel allows as many. With std's 128 a burst has the kernel
/// drop what comes next, whoever sends it, who tries again after a second, then after three.
pub const TCP_BACKLOG: i32 = 4096;

/// Open descriptors odyn asks for: two for each of [`MAX_CONNECTIONS`] at a dozen listeners, and then some.
pub const DESCRIPTORS: u64 = 1 << 16;

/// Log bytes kept for readers that come later or fall behind. `--log-bytes` overrides.
pub const LOG_RING: usize = 1 << 20;

/// Smallest and largest ring `--log-bytes` accepts: a line must fit, and an enclave's memory is small.
pub const LOG_RING_RANGE: std::ops::RangeInclusive<usize> = (4 << 10)..=(1 << 30);

/// How much a log reader's thread takes out of the ring at once, under its lock.
pub const LOG_CHUNK: usize = 32 << 10;

/// How often a log or status reader's thread with nothing to send looks whether its reader is still there. A probe every
/// second leaves five threads behind then; as many as [`MAX_CONNECTIONS`] would keep everybody else out.
pub const READER_CHECK: Duration = Duration::from_secs(5);

/// How often it is looked whether a reader that ended its own stream early has read the last line.
pub const READER_PAUSE: Duration = Duration::from_millis(50);

/// Reads of what a log or status reader says, which is nothing usually, in search of its end.
pub const READER_CHATTER: usize = 64;

/// A log or status reader that takes nothing for this long is let go. It costs only its own thread until then.
pub const READER_STALL: Duration = IDLE_TUNNEL;

/// Longest status line, newline included: the existing host reads no longer ones.
pub const STATUS_LINE: usize = 1000;

/// How long a log reader that was served to the end may take to close: it is told by a half-close first.
pub const LOG_CLOSE: Duration = Duration::from_secs(1);

/// How long the final status is kept for a host to read.
pub const FINAL_STATUS_WAIT: Duration = Duration::from_secs(30);

/// How long the end of the application's output is waited for once every process is gone.
pub const CAPTURE_END: Duration = Duration::from_secs(1);

/// How often the final wait looks for a signal that ends it.
pub const SIGNAL_CHECK: Duration = Duration::from_millis(200);

/// How long open connections may go on after the application has ended.
pub const DRAIN: Duration = Duration::from_secs(5);

/// From `SIGTERM` to `SIGKILL` for what the application left behind.
pub const TERM_GRACE: Duration = Duration::from_secs(5);

/// How long after its start the application may take until it listens on its ports.
pub const APP_START_RETRY: Duration = Duration::from_secs(10);

/// How long bytes already taken from a connection that broke may take to reach the other side, before that is reset.
pub const RESCUE: Duration = Duration::from_secs(2);

/// Longest text about a failed connection that is passed on from the host.
pub const HOST_MESSAGE: usize = 512;

/// How often a connection retries an application that is not listening yet.
pub const APP_RETRY_PAUSE: Duration = Duration::from_millis(20);

/// Connecting to the application's own loopback port. It answers at once or its backlog is full.
pub const APP_CONNECT: Duration = Duration::from_secs(5);

/// At most one line of a kind that an outsider can provoke in this time.
pub const LOG_INTERVAL: Duration = Duration::from_secs(1);

/// How long the parent may take to echo the heartbeat: it is another machine's process, but nothing waits behind it.
pub const HEARTBEAT: Duration = Duration::from_secs(1);

/// Bytes of NSM entropy the kernel's pool gets: eight times what its generator needs to be seeded, in eight calls.
pub const ENTROPY_SEED: usize = 2 << 10;

/// Empty or short answers in a row after which the NSM counts as broken.
pub const NSM_ATTEMPTS: usize = 8;

/// Longest wait for a turn at the NSM. A call takes milliseconds, an attestation tens of them; whoever waits longer has a
/// thousand callers before it or a module that hangs, and its own client has given up.
pub const NSM_TURN: Duration = Duration::from_secs(10);

/// Largest nonce in an attestation request. AWS's documentation says 512 in one place and 1024 in another; the smaller
/// one is right in both.
pub const ATTESTATION_NONCE: usize = 512;

/// Largest user data in an attestation request, for the same reason.
pub const ATTESTATION_USER_DATA: usize = 512;

/// Largest public key in an attestation request: an RSA-4096 key's SPKI is 550 bytes.
pub const ATTESTATION_PUBLIC_KEY: usize = 1024;

/// How long a call to the KMS proxy waits for the enclave's RSA key, which is made at start. That takes a second or two on
/// an enclave's CPU, by chance several times as long.
pub const KMS_KEY_WAIT: Duration = Duration::from_secs(10);

/// One call to KMS, from the connection to the last byte of the answer. KMS answers in tens of milliseconds; SDKs give up
/// after a minute by default, and ask again.
pub const KMS_CALL: Duration = Duration::from_secs(20);

/// One request to the KMS proxy, once a handler has it: [`KMS_KEY_WAIT`], [`NSM_TURN`], [`CREDENTIALS_WAIT`] and most of a
/// [`KMS_CALL`]. A call made again, because credentials turned out to have expired, gets what is left of it.
pub const KMS_REQUEST_TIME: Duration = Duration::from_secs(45);

/// From the end of a request to the KMS proxy to the whole answer, waiting for a handler included; below the minute after
/// which SDKs give up.
pub const KMS_PROXY_ANSWER: Duration = Duration::from_secs(55);

/// Largest request to KMS: a policy has 32 KiB, imported key material less, a message to sign 4 KiB.
pub const KMS_REQUEST: usize = 256 << 10;

/// Largest answer of KMS: a list of 1000 keys has about 150 KiB.
pub const KMS_ANSWER: usize = 1 << 20;

/// Most fields of an object from or for KMS, whose largest has about thirty: each is compared with those before it.
pub const KMS_FIELDS: usize = 256;

/// Longest field of an answer's header that KMS's proxy passes on: ids have 36 bytes, error types some more.
pub const KMS_HEADER_VALUE: usize = 1 << 10;

/// Threads that serve the KMS proxy's requests. Each mostly waits for KMS: enough for a few hundred calls a second.
pub const KMS_HANDLERS: usize = 8;

/// Largest file, standard input or answer that `odyn-host verify` takes for a document: base64 of the largest one, with
/// line ends, fits twice.
pub const VERIFY_INPUT: usize = 32 << 10;

/// Largest certificate in a document, and largest optional field: AWS's figure for both.
pub const VERIFY_FIELD: usize = 1024;

/// Certificates above the leaf in a document. AWS has four; more than webpki would follow are refused unread.
pub const VERIFY_CHAIN: usize = 8;

/// Platform configuration registers of a Nitro Secure Module.
pub const PCRS: usize = 32;

/// From name look-up to the last byte of the answer to `odyn-host verify --url`.
pub const VERIFY_FETCH: Duration = Duration::from_secs(30);

/// The file `odyn-host verify --root` names: one certificate in PEM.
pub const ROOT_FILE: usize = 64 << 10;

/// The manifest file. A thousand times a usual one, and still nothing to hold in memory.
pub const MANIFEST_FILE: usize = 1 << 20;

/// What the manifest may grow to when its YAML aliases are followed, counting each value and each byte of text. Without
/// aliases a file of [`MANIFEST_FILE`] stays below it; a few lines of nested aliases would not stop before memory does.
pub const MANIFEST_EXPANDED: usize = 2 * MANIFEST_FILE;

/// A certificate chain's or key's PEM file. A chain of ten large certificates is below 100 KiB.
pub const TLS_FILE: u64 = 1 << 20;

/// `/cmd` and `/env`: what `execve` accepts in all is 2 MiB on Linux by default.
pub const COMMAND_FILE: u64 = 2 << 20;

/// Longest name of a user or group that `--user` takes: Linux's own `LOGIN_NAME_MAX`.
pub const USER_NAME: usize = 256;

/// `/etc/passwd` and `/etc/group`: ten thousand users have less.
pub const USER_FILE: u64 = 1 << 20;

/// How often the supervisor looks again for what no signal announces while it ends what the application left.
pub const REAP_PAUSE: Duration = Duration::from_millis(10);

/// A call to AWS in which nothing moves for this long has failed. KMS and S3 answer within tens of milliseconds.
pub const AWS_IDLE: Duration = Duration::from_secs(15);

/// Size of a buffer of a connection to AWS, of which one in use has four: a TLS record is 16 KiB, and larger than
/// [`RESPONSE_HEAD`] it must be.
pub const AWS_BUFFER: usize = 64 << 10;

/// Connections to AWS kept for the next call.
pub const AWS_KEPT: usize = 8;

/// How long one is kept. Load balancers drop idle connections after a minute, S3 and the metadata service earlier.
pub const AWS_KEEP: Duration = Duration::from_secs(15);

/// One call to the metadata service, which is on the same machine as the host: it answers within milliseconds.
pub const IMDS_CALL: Duration = Duration::from_secs(2);

/// Largest answer of the metadata service: credentials have about 1.5 KiB.
pub const IMDS_ANSWER: usize = 16 << 10;

/// How long a token for the metadata service is asked for: the longest there is.
pub const IMDS_TOKEN: Duration = Duration::from_secs(6 * 60 * 60);

/// How long before their end credentials are renewed (contract section 10). The metadata service has new ones by then.
pub const CREDENTIALS_AHEAD: Duration = Duration::from_secs(5 * 60);

/// How soon credentials are renewed at the earliest, however short they live.
pub const CREDENTIALS_INTERVAL: Duration = Duration::from_secs(1);

/// How long before their end credentials are no longer used: a request signed with them may take a while on its way.
pub const CREDENTIALS_SLACK: Duration = Duration::from_secs(10);

/// How long a call waits for credentials when there are none: two attempts and the pause between them.
pub const CREDENTIALS_WAIT: Duration = Duration::from_secs(5);

/// First pause after the metadata service failed.
pub const CREDENTIALS_PAUSE: Duration = Duration::from_millis(100);

/// Longest pause when there are no credentials to go on with: an operator who repaired something is not kept waiting.
pub const CREDENTIALS_PAUSE_WITHOUT: Duration = Duration::from_secs(1);

/// Longest pause when there are: five attempts at the least before they end.
pub const CREDENTIALS_PAUSE_WITH: Duration = Duration::from_secs(60);

/// Longest S3 key in bytes, the manifest's prefix included: S3's own limit.
pub const S3_KEY: usize = 1024;

/// Most keys in one page of a list: S3's own limit.
pub const S3_PAGE: u64 = 1000;

/// Longest continuation token taken from a client. S3's have about 100 bytes; other stores put a key into it.
pub const S3_TOKEN: usize = 4 << 10;

/// Largest object stored and fetched (contract section 13).
pub const S3_OBJECT: usize = 64 << 20;

/// Largest body of a request to store an object: [`S3_OBJECT`] in base64, its key, and the JSON around them.
pub const S3_PUT_BODY: usize = 86 << 20;

/// Bytes of requests and answers that the internal API holds at once when it has a storage: two of the largest.
pub const S3_HELD: usize = 176 << 20;

/// Threads that serve the storage's requests, and so the calls to S3 at once. Each may hold a request of
/// [`S3_PUT_BODY`] or an object of [`S3_OBJECT`].
pub const S3_HANDLERS: usize = 4;

/// From the end of the head of a request to the storage to the end of its body: [`S3_PUT_BODY`] on this machine takes a
/// second. As long may it take to read the answer.
pub const S3_TRANSFER: Duration = Duration::from_secs(60);

/// How long a request to the storage may take once it was read: [`S3_CALL`], and waiting for a handler.
pub const S3_ANSWER: Duration = Duration::from_secs(180);

/// Fetched objects are kept in pieces of this size, so that each can be freed when it was sent on. A multiple of three:
/// base64 of the pieces, one behind the other, is base64 of the whole.
pub const S3_PIECE: usize = 3 << 18;

/// How much of a piece is encoded at once. A multiple of three, and of nothing that matters.
pub const S3_ENCODED: usize = 3 << 14;

/// Longest content type taken for an object: registered names have at most 127 characters on each side of the slash.
pub const S3_CONTENT_TYPE: usize = 256;

/// Largest page of a list: [`S3_PAGE`] keys of [`S3_KEY`] bytes with every byte escaped, and what stands around them.
pub const S3_LIST_ANSWER: usize = 8 << 20;

/// Elements and texts in an answer of S3: thirty for each of [`S3_PAGE`] keys, four times over.
pub const S3_NODES: u32 = 1 << 17;

/// Attributes in an answer of S3, which has one: its namespace. Others write it on each of [`S3_PAGE`] keys.
pub const S3_ATTRIBUTES: usize = 4 << 10;

/// Largest error from S3 that is read: real ones have less than 1 KiB.
pub const S3_ERROR_ANSWER: usize = 64 << 10;

/// Attempts at one call to S3. With the pauses between them a storm of two seconds is ridden out.
pub const S3_ATTEMPTS: u32 = 5;

/// First pause between two attempts, which doubles.
pub const S3_PAUSE: Duration = Duration::from_millis(200);

/// Longest pause between two attempts.
pub const S3_PAUSE_CAP: Duration = Duration::from_secs(5);

/// One call to S3 with all its attempts: the largest object at 5 Mbit/s.
pub const S3_CALL: Duration = Duration::from_secs(120);

/// Pause before the light client is started again after its end. It doubles each time.
pub const LIGHT_CLIENT_PAUSE: Duration = Duration::from_secs(1);

/// Longest such pause.
pub const LIGHT_CLIENT_PAUSE_CAP: Duration = Duration::from_secs(60);

/// After running this long its next pause is the shortest again.
pub const LIGHT_CLIENT_STEADY: Duration = Duration::from_secs(60);

/// How long a connection waits for a light client that has ended to be started again: as long as calls wait for its first
/// head.
pub const LIGHT_CLIENT_WAIT: Duration = Duration::from_secs(30);

/// Memory the light client may write to: ten times what its caps let it hold for a server at its worst, and less than the
/// smallest enclave that one would run it in.
pub const LIGHT_CLIENT_MEMORY: u64 = 1 << 30;

/// Descriptors it may have: [`MAX_CONNECTIONS`] of its own and some to its servers.
pub const LIGHT_CLIENT_DESCRIPTORS: u64 = 2048;

/// Longest line of its log that is kept whole; a longer one is cut into pieces of this size.
pub const LIGHT_CLIENT_LINE: u64 = 4 << 10;

/// Longest DNS name in text form (RFC 1035, section 2.3.4).
pub const HOST_NAME: usize = 253;
