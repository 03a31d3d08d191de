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
        #expect(found.allSatisfy { $0.port == 7400 && !$0.isLoopback })
        #expect(Set(found).count == found.count)
        // A box without a network has none.
        guard !found.isEmpty else { return }
        _ = try JoinToken(roles: [.worker], endpoints: Array(found.prefix(8)), serverKey: Sample.key(1), keys: .generate())
    }
}
