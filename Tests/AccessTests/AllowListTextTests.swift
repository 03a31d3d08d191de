// SPDX-License-Identifier: Apache-2.0
import Testing
import ZeroMQ

@testable import Access

@Suite struct AllowListTextTests {
    private static let key = "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID"
    private static let other = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"
    private static let head = "pseudoword allow-list 1\n"

    @Test func readsWhatPeopleWrite() throws {
        let list = try AllowList(
            text: """
                pseudoword allow-list 1
                # boxes

                \tmember   worker,admin  \(Self.key)  2026-01-31T08:00:00Z   box-3\r
                token worker \(Self.other) 2026-01-31T08:00:00.250Z token-1
                """)
        #expect(list.entries.count == 2)
        #expect(list.permits(try CurvePublicKey(z85: Self.key)) == [.admin, .worker])
        #expect(list.entries.map(\.added) == [1_769_846_400_000, 1_769_846_400_250])
        #expect(list.entries.map(\.kind) == [.member, .oneTime(usedBy: nil)])
        #expect(try AllowList(text: list.text) == list)
        #expect(list.text.contains("\nmember admin+worker \(Self.key) 2026-01-31T08:00:00.000Z box-3\n"))
    }

    @Test func anEmptyListHasAText() throws {
        #expect(try AllowList(text: AllowList().text).entries.isEmpty)
        #expect(try AllowList(text: "pseudoword allow-list 1").entries.isEmpty)
    }

    @Test(
        arguments: [
            ("", "line 1 "), ("\n" + head, "line 1 "), ("pseudoword allow-list 2\n", "line 1 "), ("# x\n", "line 1 "),
            (head + "worker worker K 2026-01-31T08:00:00Z a", "line 2 begins with"),
            (head + "\n#\nmember worker \(key) 2026-01-31T08:00:00Z", "line 4 has 4 fields instead of 5"),
            (head + "member worker \(key) 2026-01-31T08:00:00Z a b", "line 2 has 6 fields instead of 5"),
            (head + "used worker \(key) 2026-01-31T08:00:00Z a", "line 2 has 5 fields instead of 6"),
            (head + "used worker \(key) 2026-01-31T08:00:00Z a short", "line 2: the public key has 5 characters"),
            (head + "member worker \(key)x 2026-01-31T08:00:00Z a", "line 2: the public key has 41 characters"),
            (head + "member root \(key) 2026-01-31T08:00:00Z a", "line 2: \"root\" is no role"),
            (head + "member worker \(key) 2026-02-30T08:00:00Z a", "line 2: \"2026-02-30T08:00:00Z\" is no time"),
            (head + "member worker \(key) 2026-01-31 a", "line 2: \"2026-01-31\" is no time"),
            (head + "member worker \(key) 2026-01-31T08:00:00Z a/b", "line 2: \"a/b\" is no name"),
            (
                head + "member worker \(key) 2026-01-31T08:00:00Z a\ntoken admin \(key) 2026-01-31T08:00:00Z b",
                "line 3: the same key stands in a line above"
            ),
            (head + "member worker \(key) 2026-01-31T08:00:00Z a\nmemb", "line 3 begins with"),
            (head + String(repeating: " ", count: 401), "line 2 is longer"),
            (head + "\u{1B}[2J \u{7}", "line 2 begins with \"?[2J\""),
        ])
    func sayWhichLineIsWrong(text: String, beginning: String) throws {
        let error = try #require(throws: AccessError.self) { try AllowList(text: text) }
        #expect(error.code == .invalid)
        #expect(error.isOneLine)
        #expect(error.description.hasPrefix(beginning), "\(error)")
    }

    @Test func noChangeOfALineTurnsItIntoAnotherKeysRights() throws {
        var list = AllowList()
        for number in 0..<6 { try list.allow(Sample.key(number), roles: [.worker], name: "box-\(number)", at: Sample.now) }
        try list.issueToken(Sample.key(7), roles: [.admin], name: "token-1", at: Sample.now)
        let original = Array(list.text.utf8)
        var generator = Scrambler(state: 5)
        var (read, refused) = (0, 0)
        for _ in 0..<5000 {
            var bytes = original
            for _ in 0..<Int.random(in: 1...4, using: &generator) {
                let index = Int.random(in: 0..<bytes.count, using: &generator)
                switch Int.random(in: 0..<4, using: &generator) {
                case 0: bytes.remove(at: index)
                case 1: bytes.insert(.random(in: 0...255, using: &generator), at: index)
                case 2: bytes[index] = .random(in: 0...255, using: &generator)
                default: bytes.removeSubrange(index..<min(bytes.count, index + Int.random(in: 1...60, using: &generator)))
                }
                if bytes.isEmpty { break }
            }
            do {
                let changed = try AllowList(text: String(decoding: bytes, as: UTF8.self))
                read += 1
                #expect(try AllowList(text: changed.text) == changed)
            } catch {
                refused += 1
                #expect(error.isOneLine)
            }
        }
        #expect(read > 0 && refused > 2500)
    }

    @Test func timesAreReadAndWritten() {
        let examples: [(Int64, String)] = [
            (0, "1970-01-01T00:00:00.000Z"), (951_782_400_000, "2000-02-29T00:00:00.000Z"), (1_709_164_800_001, "2024-02-29T00:00:00.001Z"),
            (1_735_689_599_999, "2024-12-31T23:59:59.999Z"), (4_107_542_399_999, "2100-02-28T23:59:59.999Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"), (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
        ]
        for (milliseconds, text) in examples {
            #expect(UTCTime(milliseconds: milliseconds).text == text)
            #expect(UTCTime(text: text)?.milliseconds == milliseconds)
        }
        #expect(UTCTime(milliseconds: -5).text == "1970-01-01T00:00:00.000Z")
        #expect(UTCTime(milliseconds: .max).text == "9999-12-31T23:59:59.999Z")
        for text in [
            "", "2026-01-31T08:00:00", "2026-13-01T08:00:00Z", "2026-00-01T08:00:00Z", "2026-01-00T08:00:00Z", "2023-02-29T00:00:00Z",
            "2100-02-29T00:00:00Z", "2026-01-31T24:00:00Z", "2026-01-31T08:60:00Z", "2026-01-31T08:00:60Z", "1969-12-31T23:59:59Z",
            "2026-01-31t08:00:00Z", "2026-01-31T08:00:00.00Z", "+026-01-31T08:00:00Z", "2026-01-31T08:00:00,000Z",
        ] { #expect(UTCTime(text: text) == nil, "\(text)") }
        var generator = Scrambler(state: 3)
        for _ in 0..<5000 {
            let time = UTCTime(milliseconds: .random(in: 0...253_402_300_799_999, using: &generator))
            #expect(UTCTime(text: time.text) == time)
        }
    }
}
