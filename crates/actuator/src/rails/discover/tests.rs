use std::path::Path;

use super::*;

const FIB_TRIE: &str = "Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 192.0.2.0/24 2 0 2
        |-- 192.0.2.0
           /24 link UNICAST
        |-- 192.0.2.7
           /32 host LOCAL
        |-- 192.0.2.255
           /32 link BROADCAST
Local:
     |-- 192.0.2.7
        /32 host LOCAL
     |-- 192.0.2.9
        /32 universe UNICAST
     |-- not an address
        /32 host LOCAL
";

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("net")).unwrap();
    folder
}

fn write(folder: &Path, name: &str, text: &[u8]) {
    std::fs::write(folder.join(name), text).unwrap();
}

fn words(found: &[(IpNet, String)]) -> Vec<String> {
    found
        .iter()
        .map(|(network, why)| format!("{network} {why}"))
        .collect()
}

#[test]
fn own_addresses_gateways_and_resolvers_are_found_with_reasons() {
    let folder = folder();
    let root = folder.path();
    write(root, "net/fib_trie", FIB_TRIE.as_bytes());
    let if_inet6 = "20010db8000000000000000000000007 02 40 00 80     eth0\nshort 1\n";
    write(root, "net/if_inet6", if_inet6.as_bytes());
    let gateway = u32::from_ne_bytes([192, 0, 2, 254]);
    let route = format!(
        "Iface\tDestination\tGateway\tFlags\tRefCnt\n\
         eth0\t00000000\t{gateway:08X}\t0003\t0\n\
         eth0\t000200C0\t00000000\t0001\t0\n"
    );
    write(root, "net/route", route.as_bytes());
    let zero = "0".repeat(32);
    let ipv6_route = format!(
        "{zero} 00 {zero} 00 fe8000000000000000000000000000fe 00000400 00000001 00000000 0003 eth0\n\
         {zero} 00 {zero} 00 {zero} ffffffff 00000001 00000000 00200200 lo\n"
    );
    write(root, "net/ipv6_route", ipv6_route.as_bytes());
    let resolv_conf = "# nameserver 1.1.1.1\nnameserver 198.51.100.53\nnameserver fe80::53%eth0\n\
                       nameserver ::ffff:198.51.100.54\nnameserver\nsearch example.org\n";
    write(root, "resolv.conf", resolv_conf.as_bytes());
    let found = discover(root, &root.join("resolv.conf"));
    assert_eq!(
        words(&found),
        [
            "192.0.2.7/32 own address",
            "192.0.2.255/32 broadcast of an own network",
            "2001:db8::7/128 own address",
            "192.0.2.254/32 gateway",
            "fe80::fe/128 gateway",
            "198.51.100.53/32 resolver",
            "fe80::53/128 resolver",
            "198.51.100.54/32 resolver",
        ]
    );
}

#[test]
fn the_stub_of_systemd_leads_to_the_real_resolvers() {
    let folder = folder();
    let root = folder.path();
    write(root, "stub-resolv.conf", b"nameserver 127.0.0.53\n");
    write(root, "resolv.conf", b"nameserver 198.51.100.53\n");
    std::os::unix::fs::symlink(root.join("stub-resolv.conf"), root.join("etc-resolv")).unwrap();
    let found = discover(root, &root.join("etc-resolv"));
    assert_eq!(
        words(&found),
        ["127.0.0.53/32 resolver", "198.51.100.53/32 resolver"]
    );
}

#[test]
fn missing_and_hostile_files_yield_nothing() {
    let folder = folder();
    let root = folder.path();
    assert_eq!(discover(&root.join("none"), &root.join("none")), []);
    let mut hostile = vec![0xff; 20_000];
    hostile.extend_from_slice(b"\n|-- 192.0.2.300\n/32 host LOCAL\n\0\n");
    for name in [
        "net/fib_trie",
        "net/if_inet6",
        "net/route",
        "net/ipv6_route",
        "resolv.conf",
    ] {
        write(root, name, &hostile);
    }
    assert_eq!(discover(root, &root.join("resolv.conf")), []);
}

#[test]
fn this_machine_finds_its_loopback_address() {
    let found = discover(Path::new("/proc"), Path::new("/nonexistent"));
    if !Path::new("/proc/net/fib_trie").exists() {
        println!("skipped: no /proc/net/fib_trie here");
        return;
    }
    let loopback = words(&found).contains(&"127.0.0.1/32 own address".to_owned());
    assert!(loopback || found.is_empty(), "{found:?}");
}
