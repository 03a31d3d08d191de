// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

@testable import ZeroMQ

/// The authenticator's answers, without sockets.
@Suite struct AuthenticatorTests {
    private let key = CurvePublicKey(bytes: Data(1...32))

    private func request(
        version: String = "1.0", id: Data = Data("7".utf8), domain: String = "pseudoword-3", address: String = "10.1.2.3",
        identity: Data = Data([1, 2]), mechanism: String = "CURVE", credentials: [Data]? = nil
    ) -> [Data] {
        [Data(version.utf8), id, Data(domain.utf8), Data(address.utf8), identity, Data(mechanism.utf8)]
            + (credentials ?? [Data(1...32)])
    }

    private func status(_ request: [Data], allowing: Bool = true) -> String {
        let (frames, _) = Authenticator.reply(to: request) { _, _ in allowing }
        guard frames.count == 6, frames[0] == Data("1.0".utf8) else { return "broken" }
        return String(decoding: frames[2], as: UTF8.self)
    }

    @Test func aKeyThatIsWantedGetsInUnderItsOwnName() throws {
        let key = try #require(key)
        var asked: [(CurvePublicKey, String)] = []
        let (frames, refusal) = Authenticator.reply(to: request()) { key, address in
            asked.append((key, address))
            return true
        }
        #expect(frames == [Data("1.0".utf8), Data("7".utf8), Data("200".utf8), Data(), Data(key.z85.utf8), Data()])
        #expect(refusal == nil)
        #expect(asked.map(\.0) == [key])
        #expect(asked.map(\.1) == ["10.1.2.3"])
    }

    @Test func aKeyThatIsNotWantedIsReportedWithItsSocket() throws {
        let key = try #require(key)
        let (frames, refusal) = Authenticator.reply(to: request()) { _, _ in false }
        #expect(frames == [Data("1.0".utf8), Data("7".utf8), Data("400".utf8), Data(), Data(), Data()])
        #expect(refusal == .init(socket: SocketID(number: 3), key: key, address: "10.1.2.3"))
    }

    @Test func whatIsNotARequestForAKeyIsRefused() {
        #expect(status([]) == "500")
        #expect(status([Data("1.0".utf8)]) == "500")
        #expect(status(request(version: "2.0")) == "500")
        #expect(status(request(id: Data(count: 256))) == "500")
        #expect(status(Array(request().dropLast())) == "500")
        #expect(status(request() + [Data()]) == "500")
        #expect(status(request(mechanism: "NULL", credentials: [])) == "500")
        #expect(status(request(mechanism: "PLAIN", credentials: [Data("a".utf8), Data("b".utf8)])) == "500")
        #expect(status(request(mechanism: "PLAIN")) == "400")
        #expect(status(request(mechanism: "curve")) == "400")
        #expect(status(request(credentials: [Data(count: 31)])) == "400")
        #expect(status(request(credentials: [Data(count: 33)])) == "400")
        #expect(status(request(credentials: [Data()])) == "400")
        #expect(status(request(domain: "")) == "400")
        #expect(status(request(domain: "pseudoword-")) == "400")
        #expect(status(request(domain: "pseudoword-99999999999")) == "400")
        #expect(status(request(domain: "other")) == "400")
        #expect(status(request()) == "200")
    }

    @Test func anAddressIsCleanedBeforeAnyoneSeesIt() {
        var seen = ""
        _ = Authenticator.reply(to: request(address: "1.2.3.4\n\u{1B}[2J " + String(repeating: "x", count: 500))) {
            seen = $1
            return true
        }
        #expect(seen.hasPrefix("1.2.3.4[2Jxx"))
        #expect(seen.utf8.count <= 64)
        #expect(seen.allSatisfy { $0.isASCII && !$0.isNewline })
    }

    @Test func noiseIsNeverAllowed() {
        var generator = Scrambler(state: 11)
        for _ in 0..<5000 {
            var frames = request()
            let index = Int.random(in: 0..<frames.count, using: &generator)
            switch Int.random(in: 0..<4, using: &generator) {
            case 0: frames.remove(at: index)
            case 1:
                let count = Int.random(in: 0..<40, using: &generator)
                frames[index] = Data((0..<count).map { _ in .random(in: 0...255, using: &generator) })
            case 2: frames.insert(Data([1]), at: index)
            default: frames.shuffle(using: &generator)
            }
            // A changed id, address, identity or 32 other bytes of a key may still be a proper request: so nobody is let in here at all.
            #expect(status(frames, allowing: false) != "200")
        }
    }

    @Test func whoeverKnocksWithoutEndIsToldOfNowAndThen() throws {
        var filter = RefusalFilter()
        let start = ContinuousClock.now
        let keys = (0..<400).compactMap { number in CurvePublicKey(bytes: Data((0..<32).map { UInt8(($0 * 7 + number) % 251) })) }
        let first = [0, 9, 10].map { filter.shouldTell(keys[0], now: start + .seconds($0)) }
        #expect(first == [true, false, true])
        var told = 0
        for key in keys where filter.shouldTell(key, now: start + .seconds(30)) { told += 1 }
        #expect(told == RefusalFilter.mostPerSecond)
        var later = 0
        for second in 0..<100 {
            for key in keys where filter.shouldTell(key, now: start + .seconds(40 + second)) { later += 1 }
        }
        #expect(later <= 100 * RefusalFilter.mostPerSecond)
        #expect(later > 500)
    }
}
