// SPDX-License-Identifier: Apache-2.0
import FleetHosts
import Foundation
import Testing

@Suite("The scripts that run on a box")
struct RemoteScriptTests {
    private func withBox(_ body: (ShellBox) throws -> Void) throws {
        let box = try ShellBox()
        defer {
            _ = try? box.run(RemoteScript.stop(["b-1", "b-2", "b-3"], grace: 0, purge: false))
            box.remove()
        }
        try body(box)
    }

    private func probe(_ box: ShellBox, digest: String? = nil) throws -> BoxReport {
        try BoxReport.parse(box.run(RemoteScript.probe(name: "b", digest: digest)).output)
    }

    @Test(arguments: ["", "a", "it's", "''", "a b\nc", "$(reboot) `x` \"$HOME\" \\", "é", "-n", "*"])
    func quotedTextIsOneWord(text: String) throws {
        try withBox { box in
            let one = try box.run("printf %s \(ShellText.quoted(text))", throughLogin: false).output
            let two = try box.run("printf '<%s>' \(ShellText.words([text, "z"]))", throughLogin: false).output
            #expect(one == text && two == "<\(text)><z>")
        }
    }

    @Test func aScriptGetsJustWhatFollowsIt() throws {
        try withBox { box in
            let input = Data((0..<300_000).map { UInt8(truncatingIfNeeded: $0 &* 31 ^ $0 >> 8) })
            let (status, output) = try box.run("# é\ncat >\"$HOME/copy\"; echo done; exit 7", input: input)
            #expect(status == 7 && output == "done\n")
            #expect(try Data(contentsOf: URL(fileURLWithPath: box.home + "/copy")) == input)
        }
    }

    @Test func anEmptyBoxIsAskedAndLeftAsItWas() throws {
        try withBox { box in
            let report = try probe(box)
            #expect(report.system == "Linux" && report.clientAddress == "10.0.0.1" && report.processors >= 1)
            #expect(report.nodes == ProcessorNode.available)
            #expect(report.glibc != nil && report.missingTools.isEmpty && report.workers.isEmpty && !report.hasProgram)
            #expect(!box.exists(""))
            let second = try probe(box, digest: "d")
            #expect(box.exists("programs"))
            #expect((second.freeKilobytes ?? 0) > 0)
        }
    }

    @Test func aBundleIsInstalledWholeOrNotAtAll() throws {
        try withBox { box in
            let (bytes, digest) = try box.bundle(program: obedientWorker)
            _ = try probe(box, digest: digest)
            let cut = try box.run(RemoteScript.install(digest: digest), input: bytes.dropLast(20)).output
            #expect(RemoteLine.complaint(in: cut) == "the copy is not whole")
            let other = try box.run(RemoteScript.install(digest: String(repeating: "0", count: 64)), input: bytes).output
            #expect(RemoteLine.complaint(in: other) == "the copy is not whole")
            #expect(try FileManager.default.contentsOfDirectory(atPath: box.base + "/programs").isEmpty)
            #expect(try !probe(box, digest: digest).hasProgram)

            let first = try box.run(RemoteScript.install(digest: digest), input: bytes)
            #expect(first.status == 0 && first.output == "pseudoword: installed\n")
            #expect(try probe(box, digest: digest).hasProgram)
            #expect(try box.run(RemoteScript.install(digest: digest), input: bytes).status == 0)
            #expect(try FileManager.default.contentsOfDirectory(atPath: box.base + "/programs") == [digest])
        }
    }

    @Test func aBundleThatDoesNotRunIsRefused() throws {
        try withBox { box in
            let (bytes, digest) = try box.bundle(program: "#!/bin/sh\necho no such library >&2; exit 127\n")
            _ = try probe(box, digest: digest)
            let output = try box.run(RemoteScript.install(digest: digest), input: bytes).output
            #expect(RemoteLine.complaint(in: output) == "the program does not run there: no such library")
            #expect(!box.exists("programs/\(digest)"))
        }
    }

    @Test func workersStartOnceAndEndWhenAsked() throws {
        try withBox { box in
            let (bytes, digest) = try box.bundle(program: obedientWorker)
            _ = try probe(box, digest: digest)
            try box.run(RemoteScript.install(digest: digest), input: bytes)
            let workers = [
                WorkerStart(name: "b-1", threads: 3, node: 0, takesToken: true), WorkerStart(name: "b-2", threads: nil, takesToken: true),
            ]
            let start = RemoteScript.start(workers, digest: digest, coordinator: "tcp://10.0.0.1:7400")
            let output = try box.run(start, input: Data("pwj1-one\npwj1-two\n".utf8)).output
            let reports = StartReport.parse(output)
            guard case .started("b-1", let first) = reports.first, case .started("b-2", let second) = reports.last else {
                Issue.record("\(output)")
                return
            }
            #expect(reports.count == 2)
            waitFor { box.text("workers/b-2/config/credentials/here.json") == "pwj1-two\n" }
            #expect(box.text("workers/b-1/config/credentials/here.json") == "pwj1-one\n")
            waitFor { !box.exists("workers/b-1/token") && !box.exists("workers/b-2/token") }
            #expect(!box.exists("workers/b-1/token") && !box.exists("workers/b-2/token"))
            #expect(box.text("workers/b-1/log")?.contains("--name b-1 --cache \(box.base)/cache --threads 3 --node 0 --join-file") == true)
            #expect(box.text("workers/b-2/log")?.contains("--threads") == false && box.text("workers/b-2/log")?.contains("--node") == false)
            #expect(box.text("workers/b-1/log")?.contains("pwj1") == false)

            let report = try probe(box, digest: digest)
            #expect(report.workers.map(\.process) == [first, second])
            #expect(report.workers.map(\.coordinator) == ["tcp://10.0.0.1:7400", "tcp://10.0.0.1:7400"])
            #expect(report.workers.map(\.program) == [digest, digest])
            // Again: nothing starts, and its token is not used.
            #expect(
                StartReport.parse(try box.run(start, input: Data("x\ny\n".utf8)).output)
                    == [.runs(name: "b-1", process: first), .runs(name: "b-2", process: second)])

            let stopped = StopReport.parse(try box.run(RemoteScript.stop(["b-1", "b-2", "b-3"], grace: 20, purge: false)).output)
            #expect(Set(stopped.map { "\($0.name) \($0.ending)" }) == ["b-1 drained", "b-2 drained", "b-3 gone"])
            #expect(try probe(box).workers.allSatisfy { $0.process == nil && $0.coordinator != nil })

            // With the key of before, no token is needed.
            let later = [WorkerStart(name: "b-1", threads: nil, takesToken: false)]
            let again = StartReport.parse(try box.run(RemoteScript.start(later, digest: digest, coordinator: "tcp://10.0.0.1:7400")).output)
            guard case .started("b-1", _) = again.first else {
                Issue.record("\(again)")
                return
            }
            waitFor { box.text("workers/b-1/log")?.contains("--coordinator tcp://10.0.0.1:7400") == true }
            _ = try box.run(RemoteScript.stop(["b-1", "b-2"], grace: 20, purge: true))
            #expect(!box.exists(""))
        }
    }

    @Test func aWorkerThatEndsAtOnceIsReportedWithItsLastWords() throws {
        try withBox { box in
            let refused = "#!/bin/sh\n[ $1 = --version ] && exit 0\necho pseudoword: key refused >&2; exit 4\n"
            let (bytes, digest) = try box.bundle(program: refused)
            _ = try probe(box, digest: digest)
            try box.run(RemoteScript.install(digest: digest), input: bytes)
            let workers = [WorkerStart(name: "b-1", threads: nil, takesToken: false)]
            let output = try box.run(RemoteScript.start(workers, digest: digest, coordinator: "tcp://h:1")).output
            #expect(StartReport.parse(output).last == .ended(name: "b-1", lastWords: "pseudoword: key refused"))
            let look = try box.run(RemoteScript.look(at: ["b-1"])).output
            #expect(StartReport.parse(look) == [.ended(name: "b-1", lastWords: "pseudoword: key refused")])
        }
    }

    @Test func aWorkerThatDoesNotListenIsKilled() throws {
        try withBox { box in
            let deaf = "#!/bin/sh\n[ $1 = --version ] && exit 0\ntrap '' TERM\nwhile :; do sleep 0.05; done\n"
            let (bytes, digest) = try box.bundle(program: deaf)
            _ = try probe(box, digest: digest)
            try box.run(RemoteScript.install(digest: digest), input: bytes)
            let workers = [WorkerStart(name: "b-1", threads: nil, takesToken: false)]
            let output = try box.run(RemoteScript.start(workers, digest: digest, coordinator: "tcp://h:1")).output
            guard case .started(_, let process) = StartReport.parse(output).first else {
                Issue.record("\(output)")
                return
            }
            usleep(200_000)
            #expect(StopReport.parse(try box.run(RemoteScript.stop(["b-1"], grace: 1, purge: false)).output).first?.ending == .killed)
            waitFor { kill(pid_t(process), 0) != 0 }
            #expect(kill(pid_t(process), 0) != 0)
        }
    }

    /// A number that another process has by now is no worker of ours.
    @Test func aStaleProcessFileMeansNothing() throws {
        try withBox { box in
            _ = try probe(box, digest: "d")
            try FileManager.default.createDirectory(atPath: box.base + "/workers/b-1", withIntermediateDirectories: true)
            let boot = try String(contentsOfFile: "/proc/sys/kernel/random/boot_id", encoding: .utf8)
            for text in ["\(getpid()) 1 \(boot)", "\(getpid()) 1 other\n", "", "x", "-1 2 3\n", "1 $(reboot) \(boot)"] {
                try Data(text.utf8).write(to: URL(fileURLWithPath: box.base + "/workers/b-1/process"))
                #expect(try probe(box).workers.first?.process == nil, "\(text)")
                #expect(StopReport.parse(try box.run(RemoteScript.stop(["b-1"], grace: 0, purge: false)).output).first?.ending == .gone)
            }
        }
    }

    @Test func oldProgramsGoWhenNoWorkerUsesThem() throws {
        try withBox { box in
            let old = try box.bundle(program: obedientWorker), new = try box.bundle(program: obedientWorker + "# new\n")
            _ = try probe(box, digest: old.digest)
            try box.run(RemoteScript.install(digest: old.digest), input: old.bytes)
            let one = [WorkerStart(name: "b-1", threads: nil, takesToken: false)]
            let two = [WorkerStart(name: "b-2", threads: nil, takesToken: false)]
            try box.run(RemoteScript.start(one, digest: old.digest, coordinator: "tcp://h:1"))
            try box.run(RemoteScript.install(digest: new.digest), input: new.bytes)
            try box.run(RemoteScript.start(two, digest: new.digest, coordinator: "tcp://h:1"))
            #expect(box.exists("programs/\(old.digest)"))
            try box.run(RemoteScript.stop(["b-1"], grace: 20, purge: false))
            try box.run(RemoteScript.start(one, digest: new.digest, coordinator: "tcp://h:1"))
            #expect(!box.exists("programs/\(old.digest)") && box.exists("programs/\(new.digest)"))
        }
    }

    /// Of a box with a similar name, or another fleet's.
    @Test func otherBoxesWorkersAreNotTouched() throws {
        try withBox { box in
            _ = try probe(box, digest: "d")
            for name in ["b-1", "b-12", "b-x", "b-c-1", "bb-1"] {
                try FileManager.default.createDirectory(atPath: box.base + "/workers/" + name, withIntermediateDirectories: true)
            }
            #expect(try probe(box).workers.map(\.name) == ["b-1", "b-12"])
        }
    }

    private func waitFor(_ condition: () -> Bool) {
        for _ in 0..<100 where !condition() { usleep(50_000) }
    }
}
