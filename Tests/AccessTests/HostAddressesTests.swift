// SPDX-License-Identifier: Apache-2.0
import Testing
import ZeroMQ

@testable import Access

@Suite struct HostAddressesTests {
    @Test(arguments: ["tcp://10.0.0.1:7400", "tcp://box:1", "tcp://[fd00::1]:7400", "tcp://127.0.0.1:7400"])
    func anAddressStandsForItself(address: String) throws {
        #expect(HostAddresses.reachable(try Endpoint(address)).map(\.description) == [address])
    }

    @Test(arguments: ["tcp://*:7400", "tcp://0.0.0.0:7400", "tcp://[::]:7400"])
    func everyInterfaceStandsForAddressesThatATokenMayName(address: String) throws {
        let found = HostAddresses.reachable(try Endpoint(address))
        #expect(found.allSatisfy { $0.port == 7400 })
        // A box without a network has its loopback address only.
        let own = try Endpoint(address).forConnecting
        #expect(found.allSatisfy { !$0.isLoopback } || found == [own])
        #expect(Set(found).count == found.count)
        _ = try JoinToken(roles: [.worker], endpoints: found, serverKey: Sample.key(1), keys: .generate())
    }

    private func choose(_ hosts: String...) -> [String] {
        HostAddresses.choose(hosts.map { HostAddresses.Candidate(host: $0, interface: "eth0") })
    }

    @Test func globalAddressesComeBeforeLinkLocalOnesAndIPv4BeforeIPv6() {
        #expect(
            choose("169.254.3.4", "fd00::2", "fe80::1%eth0", "10.0.0.2", "2001:db8::1", "192.168.1.1") == [
                "10.0.0.2", "192.168.1.1", "fd00::2", "2001:db8::1", "169.254.3.4",
            ])
        #expect(choose("169.254.3.4") == ["169.254.3.4"], "two boxes and a cable")
        #expect(choose("fe80::1%eth0").isEmpty)
        #expect(choose("10.0.0.1", "10.0.0.1") == ["10.0.0.1"])
    }

    /// A box with many addresses names as many as a token takes.
    @Test func ofManyAddressesTheLikeliestEightAreChosen() throws {
        var candidates = (1...10).map { HostAddresses.Candidate(host: "172.\($0).0.1", interface: "br-\($0)") }
        candidates += (1...6).map { HostAddresses.Candidate(host: "fd00::\($0)", interface: "eth0") }
        candidates += (1...3).map { HostAddresses.Candidate(host: "10.0.0.\($0)", interface: "eth\($0)") }
        let chosen = HostAddresses.choose(candidates)
        #expect(chosen == ["10.0.0.1", "10.0.0.2", "10.0.0.3", "fd00::1", "fd00::2", "fd00::3", "fd00::4", "fd00::5"])
        let endpoints = try chosen.map { try Endpoint(host: $0, port: 7400) }
        _ = try JoinToken(roles: [.worker], endpoints: endpoints, serverKey: Sample.key(1), keys: .generate())
    }
}
