// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc
import Testing
import ZeroMQ

@Suite struct BindTests {
    private func failure(_ address: String) async -> SocketError? {
        do {
            let station = try await Station.router(address)
            station.loop.stop()
            return nil
        } catch {
            return error as? SocketError
        }
    }

    @Test(arguments: ["tcp://127.0.0.1:*", "tcp://127.0.0.1:0", "tcp://localhost:0", "tcp://*:0"])
    func saysWhichPortItReallyListensOn(address: String) async throws {
        let station = try await Station.router(address)
        defer { station.loop.stop() }
        #expect(station.endpoint.port != 0)
        #expect(PlainPeer(port: station.endpoint.port) != nil)
    }

    @Test func aPortInUseIsSaidInOneLine() async throws {
        let station = try await Station.router()
        let error = try #require(await failure(station.endpoint.description))
        #expect(error.code == .addressInUse)
        #expect(
            error.description
                == "cannot listen on \(station.endpoint): the port is in use; stop the program that has it or choose another port")
        station.loop.stop()
        #expect(await failure(station.endpoint.description) == nil, "the port is free again once stop() returns")
    }

    @Test(arguments: ["tcp://192.0.2.77:7400", "tcp://no-such-interface:7400"])
    func anAddressOfAnotherMachineIsRefused(address: String) async throws {
        let error = try #require(await failure(address))
        #expect(error.code == .addressNotAvailable)
        #expect(error.description.contains("use one of its own, or * for all"))
    }

    @Test(.enabled(if: geteuid() != 0, "root may listen on any port"))
    func aPrivilegedPortIsRefused() async throws {
        #expect(try #require(await failure("tcp://127.0.0.1:1")).code == .permissionDenied)
    }

    @Test(arguments: ["tcp://*:7400", "tcp://127.0.0.1:0"])
    func connectingNeedsAHostAndAPort(address: String) async throws {
        let endpoint = try Endpoint(address)
        await #expect(throws: SocketError.self) { _ = try await Station.dealer(to: endpoint) }
    }
}
