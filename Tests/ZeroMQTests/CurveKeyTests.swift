// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

@testable import ZeroMQ

@Suite struct CurveKeyTests {
    /// The keys that the manual pages zmq_curve(7) and zmq_z85_decode(3) print.
    private static let published = [
        (
            publicKey: "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7",
            publicBytes: "54FCBA24E93249969316FB617C872BB0C1D1FF14800427C594CBFACF1BC2D652",
            secretKey: "JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6",
            secretBytes: "8E0BDD697628B91D8F245587EE95C5B04D48963F79259877B49CD9063AEAD3B7"
        ),
        (
            publicKey: "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID",
            publicBytes: "BB88471D65E2659B30C55A5321CEBB5AAB2B70A398645C26DCA2B2FCB43FC518",
            secretKey: "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs",
            secretBytes: "7BB864B489AFA3671FBE69101F94B38972F24816DFB01B51656B3FEC8DFD0888"
        ),
    ]

    private func hexadecimal(_ bytes: Data) -> String { bytes.map { String(format: "%02X", $0) }.joined() }

    @Test func thePublishedKeysAreRead() throws {
        for example in Self.published {
            let key = try CurvePublicKey(z85: example.publicKey)
            #expect(hexadecimal(key.bytes) == example.publicBytes)
            #expect(key.z85 == example.publicKey)
            #expect(try CurvePublicKey(z85: example.publicBytes) == key)
            #expect(try CurvePublicKey(z85: example.publicBytes.lowercased()) == key)
            #expect(CurvePublicKey(bytes: key.bytes) == key)
            let secret = try CurveSecretKey(z85: example.secretKey)
            #expect(hexadecimal(secret.bytes) == example.secretBytes)
            #expect(try CurveKeyPair(secretKey: secret).publicKey == key)
        }
    }

    @Test func thePublishedTextOfTheSpecificationIsReadAndWritten() {
        #expect(Z85.text(of: [0x864F_D26F, 0xB559_F75B]) == "HelloWorld")
        #expect(Z85.words(of: "HelloWorld".utf8) == [0x864F_D26F, 0xB559_F75B])
    }

    @Test func everyWordHasOneText() {
        #expect(Z85.text(of: [.max]) == "%nSc0")
        #expect(Z85.words(of: "%nSc0".utf8) == [.max])
        #expect(Z85.words(of: "%nSc1".utf8) == nil, "one more than 32 bits")
        #expect(Z85.words(of: "#####".utf8) == nil)
        #expect(Z85.words(of: "0000".utf8) == nil)
        #expect(Z85.words(of: "00 00".utf8) == nil)
        #expect(Z85.words(of: [0x30, 0x30, 0xFF, 0x30, 0x30]) == nil)
        var generator = Scrambler(state: 7)
        for _ in 0..<2000 {
            let words = (0..<8).map { _ in UInt32.random(in: 0 ... .max, using: &generator) }
            #expect(Z85.words(of: Z85.text(of: words).utf8) == words)
        }
    }

    @Test(arguments: [
        "", "x", "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf", "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf77",
        "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]y\"7", "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf\u{E9}", String(repeating: "#", count: 40),
        String(repeating: "g", count: 64), String(repeating: "x", count: 100_000), "\u{0}\n\u{1B}[2J",
    ])
    func whatIsNotAKeyIsSaidInOneLineWithoutRepeatingIt(text: String) throws {
        let error = try #require(throws: SocketError.self) { try CurvePublicKey(z85: text) }
        #expect(error.code == .invalidKey)
        #expect(error.description.utf8.count < 160)
        #expect(error.description.allSatisfy { $0.isASCII && !$0.isNewline && $0 != "\u{1B}" })
        #expect(text.count < 5 || !error.description.contains(text))
        let secretError = try #require(throws: SocketError.self) { try CurveSecretKey(z85: text) }
        #expect(secretError.description.contains("secret key"))
    }

    @Test func aSecretDoesNotShowByAccident() throws {
        let keys = try CurveKeyPair.generate()
        var dumped = ""
        dump(keys, to: &dumped)
        dump(SocketSecurity.server(keys), to: &dumped)
        for text in ["\(keys)", "\(keys.secretKey)", String(reflecting: keys), "\(SocketSecurity.server(keys))", dumped] {
            #expect(!text.contains(keys.secretKey.z85))
            #expect(!text.contains(String(keys.secretKey.bytes[0]) + ", " + String(keys.secretKey.bytes[1])))
        }
        #expect(dumped.contains("(secret key)") || !dumped.contains("words"))
    }

    @Test func pairsDifferAndKeysCompareByTheirBytes() throws {
        let pairs = try (0..<20).map { _ in try CurveKeyPair.generate() }
        #expect(Set(pairs.map(\.publicKey)).count == 20)
        let sorted = pairs.map(\.publicKey).sorted()
        for (left, right) in zip(sorted, sorted.dropFirst()) { #expect(Array(left.bytes).lexicographicallyPrecedes(Array(right.bytes))) }
        #expect(CurvePublicKey(bytes: Data(count: 31)) == nil)
        #expect(CurvePublicKey(bytes: Data(count: 33)) == nil)
    }

    @Test func theSameRoutingIdUnderAnotherKeyIsAnotherPeer() throws {
        let (one, two) = (try CurveKeyPair.generate().publicKey, try CurveKeyPair.generate().publicKey)
        let id = Data(repeating: 3, count: 16)
        #expect(Set([PeerID(bytes: id, key: one), PeerID(bytes: id, key: two), PeerID(bytes: id)]).count == 3)
        #expect(PeerID(bytes: id, key: one) == PeerID(bytes: id, key: one))
        #expect("\(PeerID(bytes: id, key: one))" == "030303030303/\(one.z85.prefix(8))")
    }
}
