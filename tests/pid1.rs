//! odyn as PID 1, in a PID, mount and network namespace of its own over a copy-on-write view of this machine's files.
//! Needs root.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::tools::{program, unfit};
use crate::support::{PREAMBLE, TempDir, eventually, is_root};

/// Prepares the file system and becomes odyn. `$1` is the test's folder, the rest odyn's arguments.
const ENTER: &str = r#"
set -e
dir=$1; shift
mount --make-rprivate /
mount -t tmpfs none "$dir/overlay"
mkdir "$dir/overlay/upper" "$dir/overlay/work" "$dir/overlay/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$dir/overlay/upper,workdir=$dir/overlay/work" "$dir/overlay/root"
root=$dir/overlay/root
mkdir "$root/shared"
mount --bind "$dir/shared" "$root/shared"
for file in cmd env; do [ ! -e "$dir/shared/$file" ] || cp "$dir/shared/$file" "$root/$file"; done
for file in passwd group; do [ ! -e "$dir/shared/$file" ] || cp "$dir/shared/$file" "$root/etc/$file"; done
# Devices that are this machine's alone, among them one that stands in for the module's: devtmpfs is everybody's.
if [ -e "$dir/shared/devices" ]; then
    cp -a /dev/null /dev/zero /dev/random /dev/urandom "$root/dev/"
    mknod -m 666 "$root/dev/nsm" c 1 5
fi
exec chroot "$root" /shared/odyn "$@"
"#;

/// A machine whose PID 1 is odyn.
struct Machine {
    dir: TempDir,
    child: Child,
}

impl Machine {
    /// `None`, with a note, where namespaces cannot be had.
    fn prepare() -> Option<TempDir> {
        if !is_root() {
            unfit("root for namespaces");
            return None;
        }
        program("unshare")?;
        // Root in a container may lack the right to mount.
        let probe = "mount --make-rprivate / && mount -t tmpfs none /mnt && mkdir /mnt/u /mnt/w /mnt/r && \
                     mount -t overlay overlay -o lowerdir=/,upperdir=/mnt/u,workdir=/mnt/w /mnt/r";
        let tried = Command::new("unshare").args(["--mount", "--pid", "--net", "--fork", "sh", "-c", probe]).output();
        if !tried.is_ok_and(|output| output.status.success()) {
            unfit("namespaces with overlayfs");
            return None;
        }
        let dir = TempDir::new();
        std::fs::create_dir(dir.path().join("shared")).unwrap();
        std::fs::create_dir(dir.path().join("overlay")).unwrap();
        std::fs::copy(env!("CARGO_BIN_EXE_odyn"), dir.path().join("shared/odyn")).unwrap();
        dir.write("shared/enclaver.yaml", PREAMBLE);
        Some(dir)
    }

    fn boot(dir: TempDir, args: &[&str]) -> Self {
        let child = Command::new("unshare")
            .args(["--mount", "--pid", "--net", "--ipc", "--uts", "--fork", "--kill-child", "sh", "-c", ENTER, "enter"])
            .arg(dir.path())
            .args(["--config-dir", "/shared", "--vsock", "uds:/shared/vsock", "--nsm", "sim"])
            .args(args)
            // As the kernel starts PID 1.
            .env("HOME", "/")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self { dir, child }
    }

    /// Its log to the end, its final status, and then the end of the machine.
    fn run(mut self) -> (String, String) {
        let path = self.dir.path().join("shared/vsock");
        let mut log = eventually("the log is served", || crate::support::dial(&path, 17001));
        let mut status = eventually("the status is served", || crate::support::dial(&path, 17000));
        let mut text = Vec::new();
        log.read_to_end(&mut text).unwrap();
        let mut lines = String::new();
        status.read_to_string(&mut lines).unwrap();
        drop((log, status));
        eventually("the machine powers off", || self.child.try_wait().unwrap());
        (String::from_utf8_lossy(&text).into_owned(), lines.lines().last().unwrap_or_default().to_owned())
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn pid_1_mounts_links_seeds_and_brings_loopback_up_before_the_application_runs() {
    let Some(dir) = Machine::prepare() else { return };
    let script = r#"
        echo "parent $PPID"
        cut -d' ' -f2,3 /proc/mounts | sed 's/^/mount /'
        for link in fd stdin stdout stderr; do echo "link $link $(readlink /dev/$link)"; done
        echo "loopback $(cat /sys/class/net/lo/flags)"
        echo x > /dev/shm/file && echo x > /run/file && echo x > /tmp/file && echo writable
        exit 9"#;
    let machine = Machine::boot(dir, &["--", "/bin/sh", "-c", script]);
    let (log, status) = machine.run();
    assert_eq!(status, r#"{"status":"exited","code":9}"#, "{log}");
    assert!(log.contains("parent 1\n"), "{log}");
    for mount in [
        "/proc proc",
        "/sys sysfs",
        "/dev devtmpfs",
        "/dev/pts devpts",
        "/dev/shm tmpfs",
        "/run tmpfs",
        "/tmp tmpfs",
        "/sys/fs/cgroup cgroup2",
    ] {
        assert!(log.contains(&format!("mount {mount}\n")), "no {mount} in {log}");
    }
    for link in ["fd /proc/self/fd", "stdin /proc/self/fd/0", "stdout /proc/self/fd/1", "stderr /proc/self/fd/2"] {
        assert!(log.contains(&format!("link {link}\n")), "no {link} in {log}");
    }
    // IFF_UP | IFF_LOOPBACK.
    assert!(log.contains("loopback 0x9\n"), "{log}");
    assert!(log.contains("writable\n"), "{log}");
    assert!(log.contains("seeded the kernel's random generator with 2048 bytes"), "{log}");
}

#[test]
fn pid_1_sends_the_heartbeat_and_goes_on_without_an_answer() {
    let Some(dir) = Machine::prepare() else { return };
    let listener = UnixListener::bind(dir.path().join("shared/vsock_9000")).unwrap();
    let parent = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        stream.write_all(&byte).unwrap();
        byte
    });
    let (log, _) = Machine::boot(dir, &["--", "/bin/true"]).run();
    assert_eq!(parent.join().unwrap(), [0xB7]);
    assert!(log.contains("the parent answered the heartbeat"), "{log}");

    // Nobody; somebody who says nothing; who says something else; who goes.
    let answers: [fn(&mut UnixStream) -> bool; 3] =
        [|_| true, |stream| stream.write_all(&[0]).is_ok(), |stream| stream.shutdown(Shutdown::Both).is_err()];
    for answer in [None].into_iter().chain(answers.map(Some)) {
        let Some(dir) = Machine::prepare() else { return };
        let parent = answer.map(|answer| {
            let listener = UnixListener::bind(dir.path().join("shared/vsock_9000")).unwrap();
            thread::spawn(move || {
                let (mut stream, _) = listener.accept().unwrap();
                // Kept open, if so, until odyn gives it up.
                while answer(&mut stream) && stream.read(&mut [0]).is_ok_and(|read| read > 0) {}
            })
        });
        let begun = Instant::now();
        let (log, status) = Machine::boot(dir, &["--", "/bin/true"]).run();
        assert!(log.contains("the parent did not answer the heartbeat"), "{log}");
        assert_eq!(status, r#"{"status":"exited","code":0}"#);
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
        if let Some(parent) = parent {
            parent.join().unwrap();
        }
    }
}

#[test]
fn without_an_entrypoint_cmd_and_env_say_what_runs() {
    let Some(dir) = Machine::prepare() else { return };
    dir.write("shared/cmd", "/bin/sh\n-c\necho \"greeting: $GREETING, path: $PATH\"; exit $CODE\n");
    dir.write("shared/env", "GREETING=hello world\nCODE=5\n");
    let (log, status) = Machine::boot(dir, &[]).run();
    assert_eq!(status, r#"{"status":"exited","code":5}"#, "{log}");
    assert!(log.contains("greeting: hello world, path: /usr/local/sbin:"), "{log}");
}

#[test]
fn pid_1_ends_what_the_application_left_and_tells_why_it_could_not_start_one() {
    let Some(dir) = Machine::prepare() else { return };
    let script = "(trap '' TERM; echo > /run/deaf; exec setsid sleep 1000) & (exec sleep 1000) &
                  while [ ! -e /run/deaf ]; do sleep 0.01; done; exit 1";
    let (log, status) = Machine::boot(dir, &["--", "/bin/sh", "-c", script]).run();
    assert_eq!(status, r#"{"status":"exited","code":1}"#, "{log}");
    assert!(log.contains("sending SIGKILL"), "{log}");

    let Some(dir) = Machine::prepare() else { return };
    let (_, status) = Machine::boot(dir, &["--", "/no/such/program"]).run();
    assert!(status.starts_with(r#"{"status":"fatal","error":"entrypoint \"/no/such/program\" not found"#), "{status}");
}

#[test]
fn a_thousand_orphans_are_reaped_by_pid_1() {
    let Some(dir) = Machine::prepare() else { return };
    let script = r#"
        i=0; while [ $i -lt 1000 ]; do (true & true); i=$((i+1)); done
        # Whoever is orphaned now is PID 1's, which has to have seen them all in a moment.
        for wait in 1 2 3 4 5 6 7 8 9 10; do
            zombies=$(grep -l '^State:.Z' /proc/[0-9]*/status 2>/dev/null | wc -l)
            [ $zombies -gt 0 ] || break
            sleep 0.1
        done
        echo "zombies $zombies""#;
    let (log, _) = Machine::boot(dir, &["--", "/bin/sh", "-c", script]).run();
    assert!(log.contains("zombies 0\n"), "{log}");
}

/// Opens a setting for writing, and writes nothing: should it work, the machine that tests stays as it was.
const TRY: &str = r#"try() { if (: > "$1") 2> /tmp/why; then echo "$1 open"; else sed 's/.*: //' /tmp/why; fi; }"#;

#[test]
fn the_nsm_device_is_gone_and_root_can_neither_make_one_nor_have_the_kernel_do_it() {
    let Some(dir) = Machine::prepare() else { return };
    dir.write("shared/devices", "");
    let script = format!(
        r#"{TRY}
        ls /dev/null /dev/nsm 2>/dev/null
        mknod /dev/nsm c 1 5 2>/dev/null && echo made
        mount -o remount,rw /sys 2>/dev/null && echo remounted
        mount -t sysfs none /tmp 2>/dev/null && echo mounted
        try /sys/class/net/lo/mtu; try /proc/sys/kernel/core_pattern; try /tmp/file
        cat /proc/sys/net/ipv4/ip_unprivileged_port_start
        echo $$ > /proc/self/comm && echo proc is writable; exit 0"#
    );
    let (log, _) = Machine::boot(dir, &["--", "/bin/sh", "-c", &script]).run();
    let own: Vec<&str> = log.lines().filter(|line| !line.contains(" odyn ")).collect();
    let refused = "Read-only file system";
    assert_eq!(own, ["/dev/null", refused, refused, "/tmp/file open", "0", "proc is writable"], "{log}");
}

#[test]
fn an_exposed_nsm_device_is_the_applications_user_alone() {
    let Some(dir) = Machine::prepare() else { return };
    dir.write("shared/devices", "");
    dir.write("shared/enclaver.yaml", &format!("{PREAMBLE}nsm: {{expose: true}}\n"));
    let script = "stat -c '%u %g %a' /dev/nsm; head -c 4 /dev/nsm | wc -c";
    let (log, _) = Machine::boot(dir, &["--user", "1234:2345", "--", "/bin/sh", "-c", script]).run();
    let own: Vec<&str> = log.lines().filter(|line| !line.contains(" odyn ")).collect();
    assert_eq!(own, ["1234 2345 600", "4"], "{log}");

    // Root has it as the driver made it.
    let Some(dir) = Machine::prepare() else { return };
    dir.write("shared/devices", "");
    dir.write("shared/enclaver.yaml", &format!("{PREAMBLE}nsm: {{expose: true}}\n"));
    let (log, _) = Machine::boot(dir, &["--", "/bin/sh", "-c", script]).run();
    assert!(log.contains("0 0 666\n4\n"), "{log}");
}

#[test]
fn a_user_by_name_is_the_images_and_has_a_home_in_place_of_the_kernels() {
    let Some(dir) = Machine::prepare() else { return };
    dir.write("shared/passwd", "root:x:0:0::/root:/bin/sh\napp:x:4321:1234::/home/app:/bin/sh\n");
    dir.write("shared/group", "readers:x:5432:app\n");
    let script = "echo $(id -u) $(id -g) $(id -G) $HOME";
    let (log, _) = Machine::boot(dir, &["--user", "app:readers", "--", "/bin/sh", "-c", script]).run();
    assert!(log.contains("\n4321 5432 5432 /home/app\n"), "{log}");

    // A line that is no line: the host is told which.
    let Some(dir) = Machine::prepare() else { return };
    dir.write("shared/passwd", "root:x:0:0::/root:/bin/sh\napp:x:4321\n");
    let (_, status) = Machine::boot(dir, &["--user", "app", "--", "/bin/sh", "-c", script]).run();
    assert!(status.starts_with(r#"{"status":"fatal","error":"/etc/passwd:2: not NAME:"#), "{status}");
}
