// SPDX-License-Identifier: Apache-2.0
import FleetHosts
import Testing

@Suite("The hosts file")
struct HostsFileTests {
    @Test func everyFormOfALine() throws {
        let file = try HostsFile.parse(
            """
            # the boxes
            box-a
            ann@box-b:2222 workers=2   # in the cellar

              [fe80::1%eth0]:22  name=six threads=4\r
            10.0.0.9 workers=256 threads=1024 name=big
            _svc@fd00::7 name=seven
            """, source: "h")
        #expect(
            file.entries == [
                HostEntry(host: "box-a", name: "box-a"),
                HostEntry(user: "ann", host: "box-b", port: 2222, workers: 2, name: "box-b"),
                HostEntry(host: "fe80::1%eth0", port: 22, threads: 4, name: "six"),
                HostEntry(host: "10.0.0.9", workers: 256, threads: 1024, name: "big"),
                HostEntry(user: "_svc", host: "fd00::7", name: "seven"),
            ])
        #expect(file.entries[1].destination == "ann@box-b")
    }

    @Test(arguments: [
        ("", "names no host"),
        ("# only a comment", "names no host"),
        ("box workers=0", "h:1: workers= takes a number from 1 to 256, not \"0\""),
        ("box workers=257", "workers= takes"),
        ("box workers=+2", "workers= takes"),
        ("box threads=", "threads= takes a number from 1 to 1024"),
        ("box workers=2 workers=3", "workers= is given twice"),
        ("\n\nbox worker=2", "h:3: \"worker\"= is unknown"),
        ("box fast", "\"fast\" is no setting"),
        ("a\nb\na", "h:3: a stands in line 1 already"),
        ("a name=x\nb name=x", "x stands in line 1 already"),
        ("-oProxyCommand=touch", "is no host"),
        ("-l@box", "is no user name"),
        ("ann@-box", "is no host"),
        ("box;reboot", "is no host"),
        ("box name=a/b", "must be 1 to 56"),
        ("box name=..", "must be 1 to 56"),
        ("box name=-x", "must be 1 to 56"),
        ("fd00::7", "give another with name="),
        ("box:0", "is no port"),
        ("box:65536", "is no port"),
        ("box:+22", "is no port"),
        ("[fd00::1", "bracket is not closed"),
        ("[fd00::1]22", "after ] comes :PORT"),
        ("ann@", "is no host"),
        ("@box", "is no user name"),
    ])
    func aBadLineIsNamed(text: String, message: String) {
        let error = #expect(throws: HostsError.self) { try HostsFile.parse(text, source: "h") }
        #expect(error?.description.contains(message) == true, "\(error?.description ?? "")")
        #expect(error?.description.contains { $0.isNewline } == false)
    }

    @Test func aMessageShowsNothingThatATerminalObeys() {
        let error = #expect(throws: HostsError.self) { try HostsFile.parse("\u{1B}[2J" + String(repeating: "x", count: 5000), source: "h") }
        #expect(error?.description.contains("\u{1B}") == false)
        #expect((error?.description.count ?? 0) < 200)
    }

    @Test func aHugeFileIsRefused() {
        let text = String(repeating: "box\n", count: 300_000)
        #expect(throws: HostsError.self) { try HostsFile.parse(text, source: "h") }
    }

    /// Whatever is accepted must be safe as an argument, a file name and a word of a script.
    @Test func randomTextIsRefusedOrSafe() {
        let pieces = "aB9-._@:[]%='\"$`; \\é\u{0}".map(String.init) + ["workers=2", " name=q"]
        var state: UInt64 = 7
        func next() -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33)
        }
        for _ in 0..<20_000 {
            let text = (0..<(1 + next() % 8)).map { _ in pieces[next() % pieces.count] }.joined()
            guard let file = try? HostsFile.parse(text, source: "h") else { continue }
            for entry in file.entries {
                #expect(!entry.destination.hasPrefix("-"))
                #expect(entry.destination.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && !"'\"$`;\\".utf8.contains($0) })
                #expect(entry.name.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && !"/'\"$`;\\".utf8.contains($0) })
                #expect(entry.name != "." && entry.name != "..")
            }
        }
    }
}
