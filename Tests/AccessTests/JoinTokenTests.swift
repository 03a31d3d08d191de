// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing
import ZeroMQ

@testable import Access

@Suite struct JoinTokenTests {
    private func refusal(_ text: String) -> String {
        do {
            _ = try JoinToken(text: text)
            return "accepted"
        } catch {
            #expect(error.isOneLine)
            #expect(error.code == .invalid)
            return error.description
        }
    }

    @Test func aTokenIsOneLineThatSaysAll() throws {
        for roles in [[.worker], [.client], [.admin, .worker], [.admin, .client, .worker]] as [Set<Role>] {
            let token = try Sample.token("tcp://10.0.0.1:7400", "tcp://[fd00::1]:7400", "tcp://box-1.example.org:1", roles: roles)
            let text = token.text
            #expect(text.hasPrefix("pwj1-"))
            let plain = text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-" || $0 == "_") }
            #expect(plain, "nothing that a shell would touch")
            #expect(try JoinToken(text: text) == token)
            #expect(try JoinToken(text: " \(text)\r\n") == token)
            #expect(try JoinToken(text: text.prefix(40) + "\n  " + text.dropFirst(40)) == token, "wrapped by a mail program")
        }
    }

    @Test func aKnownTokenStaysReadable() throws {
        let secret = try #require(CurveSecretKey(bytes: Data(1...32)))
        let serverKey = try #require(CurvePublicKey(bytes: Data(33...64)))
        let token = try JoinToken(
            roles: [.worker], endpoints: [try Endpoint("tcp://10.0.0.1:7400")], serverKey: serverKey,
            keys: try CurveKeyPair(secretKey: secret))
        // Made by Python's base64 and zlib.
        let text =
            "pwj1-AQEBABN0Y3A6Ly8xMC4wLjAuMTo3NDAwISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0-P0A"
            + "BAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4fIMa8QiI"
        #expect(token.text == text)
        #expect(try JoinToken(text: text) == token)
    }

    @Test func theChecksumIsTheOneOfGzip() {
        #expect(CRC32.of("123456789".utf8) == 0xCBF4_3926)
        #expect(CRC32.of([UInt8]()) == 0)
    }

    @Test func everyTruncationIsNoticed() throws {
        let text = try Sample.token().text
        for count in 5..<text.count { #expect(refusal(String(text.prefix(count))).contains("cut short or mistyped")) }
        for count in 0..<5 { #expect(refusal(String(text.prefix(count))) != "accepted") }
        #expect(refusal(text + "A").contains("cut short or mistyped"))
        #expect(refusal(text + text).contains("cut short or mistyped"))
        #expect(refusal(text + "=").contains("cut short or mistyped"))
    }

    @Test func everyChangedCharacterIsNoticed() throws {
        let text = Array(try Sample.token().text)
        for index in text.indices {
            for replacement in ["A", "-", "_", "~", "\u{E9}"] as [Character] where text[index] != replacement {
                var changed = text
                changed[index] = replacement
                #expect(refusal(String(changed)) != "accepted")
            }
        }
    }

    @Test func otherVersionsAndOtherTextsSayWhatTheyAre() {
        #expect(refusal("pwj2-AAAA").contains("another version"))
        #expect(refusal("tcp://10.0.0.1:7400").contains("does not begin with pwj1-"))
        #expect(refusal(String(repeating: "pwj1-", count: 10_000)).contains("too long"))
        #expect(refusal("\u{1B}[2J").contains("does not begin"))
    }

    /// Right checksums over wrong contents, as somebody could make them who is not just clumsy.
    @Test func noBytesDoHarm() throws {
        func sealed(_ bytes: [UInt8]) -> String {
            let checksum = CRC32.of(bytes)
            let all = bytes + [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: checksum >> $0) }
            return "pwj1-" + Data(all).base64EncodedString().replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
        }
        let address = Array("tcp://10.0.0.1:7400".utf8)
        let keys = [UInt8](repeating: 7, count: 64)
        let good = [1, 1, 1, 0, UInt8(address.count)] + address + keys
        #expect(refusal(sealed(good)) == "accepted")
        #expect(refusal(sealed([])) != "accepted")
        #expect(refusal(sealed([2] + good.dropFirst())).contains("another version"))
        #expect(refusal(sealed([1, 9] + good.dropFirst(2))).contains("a role"))
        #expect(refusal(sealed([1, 0] + good.dropFirst(2))).contains("without a role"))
        #expect(refusal(sealed([1, 1, 0] + keys)).contains("1 to 8 addresses"))
        #expect(refusal(sealed([1, 1, 255] + good.dropFirst(3))) != "accepted")
        #expect(refusal(sealed([1, 1, 1, 255, 255] + address + keys)).contains("shorter than it says"))
        #expect(refusal(sealed(good + [0])).contains("longer than it says"))
        #expect(refusal(sealed(Array(good.dropLast()))).contains("shorter than it says"))
        let nowhere = Array("tcp://0.0.0.0:7400".utf8)
        #expect(refusal(sealed([1, 1, 1, 0, UInt8(nowhere.count)] + nowhere + keys)).contains("nobody can connect"))
        var generator = Scrambler(state: 17)
        for _ in 0..<4000 {
            var bytes = Array(good.prefix(Int.random(in: 0...good.count, using: &generator)))
            for _ in 0..<Int.random(in: 0..<6, using: &generator) where !bytes.isEmpty {
                bytes[Int.random(in: 0..<bytes.count, using: &generator)] = .random(in: .min ... .max, using: &generator)
            }
            _ = refusal(sealed(bytes))
        }
    }

    @Test(arguments: ["tcp://*:7400", "tcp://0.0.0.0:7400", "tcp://[::]:7400", "tcp://10.0.0.1:0"])
    func anAddressThatNobodyCanReachIsRefused(address: String) throws {
        let error = try #require(throws: AccessError.self) { try Sample.token(address) }
        #expect(error.description.contains("nobody can connect to"))
    }

    @Test func theSecretDoesNotShowByAccident() throws {
        let token = try Sample.token()
        var dumped = ""
        dump(token, to: &dumped)
        for text in ["\(token)", String(reflecting: token), dumped] {
            #expect(!text.contains(token.keys.secretKey.z85))
            #expect(!text.contains(token.text))
        }
    }
}
