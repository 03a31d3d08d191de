// SPDX-License-Identifier: Apache-2.0

import Studies
import Testing

@Suite struct HostileYAMLTests {
    @Test func aliasBombsAreRefusedBeforeTheyAreExpanded() {
        var bomb = "a0: &a0 [x, x]\n"
        for level in 1...60 { bomb += "a\(level): &a\(level) [*a\(level - 1), *a\(level - 1)]\n" }
        #expect(refusal(bomb) == "s.yaml:2: YAML anchors and aliases are not supported; write the value out")
        #expect(refusal(bomb + "? *a60\n: x\n? *a60\n: y").contains("not supported"))
        #expect(refusal("a: &x 1\nb: [&y 1,*x]").contains("not supported"))
    }

    @Test func starsAndAmpersandsInTextAreFine() throws {
        let yaml = smallest.replacing("{name: w}", with: "{name: w, init: {text: \"* & *a R&B\"}}")
        #expect(try Study.parse(yaml: yaml, source: "s").pseudoword.initialization == .text("* & *a R&B"))
    }

    @Test(arguments: ["[", "{", "{a: ", "- ", "? ", "[{", "\"", "!", "|\n", "a: ", "%", "---\n", "&a ", "*a ", "\u{FEFF}", "é"])
    func deepAndEndlessInputEndsSoon(piece: String) {
        let started = ContinuousClock.now
        #expect(throws: StudyError.self) { try Study.parse(yaml: String(repeating: piece, count: 200_000 / piece.utf8.count), source: "s") }
        #expect(ContinuousClock.now - started < .seconds(20))
    }

    @Test func sizeIsLimited() {
        #expect(refusal(String(repeating: "# long\n", count: 200_000)).contains("expected at most 1048576"))
    }

    @Test func longAndStrangeValuesStayOnOneShortLine() {
        let line = refusal(smallest + "training: {steps: \"\(String(repeating: "x\\n\\u2028\\e", count: 5000))\"}")
        #expect(line.count < 200)
        #expect(refusal(smallest + "\"\(String(repeating: "k\\r", count: 5000))\": 1").count < 400)
    }

    @Test(arguments: 0..<8)
    func mutatedStudiesNeverCrash(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let pieces = [
            ":", "{", "}", "[", "]", "\"", "'", "\n", "  ", "\t", "&a", "*a", "!!int", "- ", "? ", "#", "|", "null", "~", "1e999", "-1",
            "0x10", "\u{0}",
            "\u{85}", "<<", "...", "---", "99999999999999999999", "search", "é", "\r",
        ]
        for _ in 0..<60 {
            var bytes = Array(complete.utf8)
            for _ in 0..<Int.random(in: 1...5, using: &generator) {
                let place = Int.random(in: 0..<bytes.count, using: &generator)
                switch Int.random(in: 0..<4, using: &generator) {
                case 0: bytes[place] = UInt8.random(in: 0...255, using: &generator)
                case 1: bytes.removeSubrange(place..<min(bytes.count, place + Int.random(in: 1...20, using: &generator)))
                case 2: bytes.insert(contentsOf: Array((pieces.randomElement(using: &generator) ?? "").utf8), at: place)
                default:
                    bytes.insert(
                        contentsOf: bytes[place..<min(bytes.count, place + 30)], at: Int.random(in: 0..<bytes.count, using: &generator))
                }
                if bytes.isEmpty { bytes = [0x20] }
            }
            do {
                let study = try Study.parse(yaml: String(decoding: bytes, as: UTF8.self), source: "s")
                #expect(try Study(json: study.canonicalJSON()) == study)
            } catch let error as StudyError {
                #expect(!error.description.contains { $0.isNewline } && error.description.count < 1000)
            }
        }
    }
}
