// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc
import Testing

@testable import ZeroMQ

/// Several ways to one peer.
@Suite struct RouteTests {
    /// Nobody listens there.
    private static let dead = "tcp://127.0.0.1:9"

    @Test func aNameIsLookedUpInBothFamiliesAndAnAddressInItsOwn() throws {
        let endpoints = try ["tcp://10.0.0.1:1", "tcp://[fd00::1]:1", "tcp://box:1", "tcp://4.example.org:1"].map { try Endpoint($0) }
        let ways = Route.all(to: endpoints).map { "\($0.endpoint.host) \($0.usesIPv6 ? 6 : 4)" }
        #expect(ways == ["10.0.0.1 4", "fd00::1 6", "box 4", "box 6", "4.example.org 4", "4.example.org 6"])
    }

    @Test func waysTakeTurns() throws {
        var routes = Routes(to: try ["tcp://10.0.0.1:1", "tcp://box:1"].map { try Endpoint($0) })
        var seen: [Route] = []
        var ends: [Bool] = []
        for _ in 0..<6 {
            seen.append(routes.current)
            ends.append(routes.advance())
        }
        #expect(seen == routes.all + routes.all && !routes.isOnlyOne)
        #expect(ends == [false, false, true, false, false, true])
        var one = Routes(to: [try Endpoint(Self.dead)])
        let wrapped = one.advance()
        #expect(one.isOnlyOne && wrapped)
    }

    @Test func anAddressThatDoesNotAnswerIsNotTheLastThatIsTried() async throws {
        let router = try await Station.router(reaction: echo)
        let dealer = try await Station.dealer(to: [try Endpoint(Self.dead), try Endpoint(Self.dead), router.endpoint])
        defer { Station.stop(dealer, router) }
        #expect(try await dealer.log.wait { $0.connections == 1 })
        #expect(dealer.log.all.retries == 2 && dealer.log.all.causes == [.unreachable])
        let socket = dealer.socket
        #expect(try await dealer.loop.perform { _, context in context.endpoint(of: socket) } == router.endpoint)
        #expect(try await dealer.send([Data("here".utf8)]) == nil)
        #expect(try await dealer.log.wait { $0.messages == [[Data("here".utf8)]] })
    }

    @Test func theFirstAddressThatAnswersWillDo() async throws {
        let router = try await Station.router()
        let dealer = try await Station.dealer(to: [router.endpoint, try Endpoint(Self.dead)])
        defer { Station.stop(dealer, router) }
        #expect(try await dealer.log.wait { $0.connections == 1 })
        #expect(dealer.log.all.retries == 0)
    }

    @Test func everyAddressIsTriedAgainAndAgain() async throws {
        let dealer = try await Station.dealer(to: [try Endpoint(Self.dead), try Endpoint("tcp://127.0.0.2:9")])
        defer { Station.stop(dealer) }
        #expect(try await dealer.log.wait { $0.retries >= 4 })
        #expect(Set(dealer.log.all.reasons).count == 2)
    }

    /// Who has our key wrong is another one; who refuses it is the right one.
    @Test func aStrangerAtAnAddressIsPassedByAndARefusalIsNot() async throws {
        let (server, other, client) = (try CurveKeyPair.generate(), try CurveKeyPair.generate(), try CurveKeyPair.generate())
        let stranger = try await Station.router(options: Station.secured(.server(other)), guests: Guests(client.publicKey))
        let guests = Guests()
        let router = try await Station.router(options: Station.secured(.server(server)), guests: guests)
        let options = Station.secured(.client(server: server.publicKey, keys: client))
        let dealer = try await Station.dealer(to: [stranger.endpoint, router.endpoint], options: options)
        defer { Station.stop(dealer, router, stranger) }
        #expect(try await dealer.log.wait { $0.causes == [.stranger, .refused] })
        guests.add(client.publicKey)
        #expect(try await dealer.log.wait { $0.connections == 1 })
    }

    @Test(.enabled(if: Self.nameInIPv6 != nil)) func aNameThatLeadsToIPv6OnlyIsReached() async throws {
        guard let name = Self.nameInIPv6, let router = try? await Station.router("tcp://[::1]:*", reaction: echo) else { return }
        let dealer = try await Station.dealer(to: try Endpoint(host: name, port: router.endpoint.port))
        defer { Station.stop(dealer, router) }
        #expect(try await dealer.log.wait { $0.connections == 1 })
    }

    /// What this machine calls its loopback address in IPv6, if anything.
    private static let nameInIPv6 = ["ip6-localhost", "ip6-loopback", "localhost"].first { name in
        var hints = addrinfo()
        hints.ai_family = AF_INET6
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var found: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(name, nil, &hints, &found) == 0, let found else { return false }
        defer { freeaddrinfo(found) }
        var text = [CChar](repeating: 0, count: Int(NI_MAXHOST))
        guard getnameinfo(found.pointee.ai_addr, found.pointee.ai_addrlen, &text, socklen_t(text.count), nil, 0, NI_NUMERICHOST) == 0 else {
            return false
        }
        return String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self) == "::1"
    }
}
