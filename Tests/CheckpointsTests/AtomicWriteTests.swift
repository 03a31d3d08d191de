// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import Testing

@testable import Checkpoints

@Suite struct AtomicWriteTests {
    @Test func anOlderFileIsReplaced() async throws {
        try await withTemporaryFolder { folder in
            try Checkpoint.sample(steps: 1).write(to: "\(folder)/a.h5")
            try Checkpoint.sample(steps: 2).write(to: "\(folder)/a.h5")
            #expect(try Checkpoint.read(from: "\(folder)/a.h5").history.count == 2)
        }
    }

    @Test(arguments: AtomicFile.Stage.allCases)
    func afterAFailureAtAnyStageTheFileIsWhole(stage: AtomicFile.Stage) async throws {
        struct Stop: Error {}
        try await withTemporaryFolder { folder in
            let path = "\(folder)/a"
            try AtomicFile.write([1], to: path)
            #expect(throws: Stop.self) { try AtomicFile.write([2, 2], to: path) { if $0 == stage { throw Stop() } } }
            let isRenamed = stage == .renamed || stage == .done
            #expect(try AtomicFile.readWhole(path, limit: 10) == (isRenamed ? [2, 2] : [1]))
            #expect(try names(in: folder) == ["a"])
        }
    }

    @Test(arguments: 0..<AtomicFile.Stage.allCases.count)
    func afterAKillAtAnyStageTheFileIsWholeAndTheNextWriteCleansUp(position: Int) async throws {
        try await withTemporaryFolder { folder in
            let path = "\(folder)/a.h5"
            try Checkpoint.sample(steps: 1).write(to: path)
            await #expect(processExitsWith: .signal(SIGKILL)) { [path = path as String, position = position as Int] in
                let stage = AtomicFile.Stage.allCases[position]
                try AtomicFile.write(Checkpoint.sample(steps: 2).encoded(), to: path) { if $0 == stage { kill(getpid(), SIGKILL) } }
            }
            let isRenamed = [.renamed, .done].contains(AtomicFile.Stage.allCases[position])
            #expect(try Checkpoint.read(from: path).history.count == (isRenamed ? 2 : 1))
            #expect(try names(in: folder).count == (isRenamed ? 1 : 2))
            try Checkpoint.sample(steps: 3).write(to: path)
            #expect(try names(in: folder) == ["a.h5"])
        }
    }

    @Test(arguments: [5, 23, 47, 80])
    func aProcessKilledWhileItWritesLeavesAWholeFile(milliseconds: Int) async throws {
        try await withTemporaryFolder { folder in
            let path = "\(folder)/a.h5"
            try Checkpoint.sample(steps: 1).write(to: path)
            await #expect(processExitsWith: .signal(SIGKILL)) { [path = path as String, milliseconds = milliseconds as Int] in
                Thread.detachNewThread {
                    usleep(UInt32(milliseconds) * 1_000)
                    kill(getpid(), SIGKILL)
                }
                for steps in 2... { try Checkpoint.sample(steps: steps).write(to: path) }
            }
            let read = try Checkpoint.read(from: path)
            #expect(read == .sample(steps: read.history.count))
        }
    }

    @Test func aReaderAtAnyTimeSeesAWholeFile() async throws {
        try await withTemporaryFolder { folder in
            let path = "\(folder)/a.h5"
            try Checkpoint.sample(steps: 1).write(to: path)
            async let writer: Void = {
                for steps in 2...30 { try Checkpoint.sample(steps: steps).write(to: path) }
            }()
            for _ in 0..<60 {
                let read = try Checkpoint.read(from: path)
                #expect(read == .sample(steps: read.history.count))
            }
            try await writer
        }
    }

    @Test func aFullDiskLeavesTheOldFileAndSaysSo() async throws {
        try await withTemporaryFolder { folder in
            let path = "\(folder)/a.h5"
            try Checkpoint.sample(steps: 1).write(to: path)
            // A limit on the size of files is the full disk that needs no privileges.
            await #expect(processExitsWith: .success) { [path = path as String] in
                signal(SIGXFSZ, SIG_IGN)
                var limit = rlimit(rlim_cur: 1_000, rlim_max: 1_000)
                setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
                do {
                    try Checkpoint.sample(steps: 2).write(to: path)
                } catch {
                    let isExpected =
                        (error as? CheckpointError)?.code == .inaccessible
                        && "\(error)" == "cannot write \(path): File too large; free some space"
                    exit(isExpected ? 0 : 2)
                }
                exit(3)
            }
            #expect(try Checkpoint.read(from: path).history.count == 1)
            #expect(try names(in: folder) == ["a.h5"])
        }
    }

    @Test func placesThatCannotBeWrittenAreNamed() async throws {
        try await withTemporaryFolder { folder in
            func failure(_ path: String) -> CheckpointError? {
                #expect(throws: CheckpointError.self) { try Checkpoint.sample().write(to: path) }
            }
            #expect(failure("\(folder)/no/a.h5")?.message == "cannot write \(folder)/no/a.h5: No such file or directory; check the path")
            try FileManager.default.createDirectory(atPath: "\(folder)/b.h5", withIntermediateDirectories: false)
            #expect(failure("\(folder)/b.h5")?.code == .inaccessible)
            #expect(try names(in: folder) == ["b.h5"])
            #expect(failure("/sys/a.h5")?.message.contains("; check the permissions") == true)
        }
    }

    @Test func placesThatCannotBeReadAreNamed() async throws {
        try await withTemporaryFolder { folder in
            func failure(_ path: String) -> CheckpointError? { #expect(throws: CheckpointError.self) { try Checkpoint.read(from: path) } }
            #expect(failure("\(folder)/no.h5")?.code == .notFound)
            #expect(failure(folder)?.message == "cannot read \(folder): it is not a regular file")
            #expect(mkfifo("\(folder)/pipe", 0o600) == 0)
            #expect(failure("\(folder)/pipe")?.message == "cannot read \(folder)/pipe: it is not a regular file")
            try Data().write(to: URL(filePath: "\(folder)/empty"))
            #expect(failure("\(folder)/empty")?.code == .damaged)
            #expect(truncate("\(folder)/empty", 1 << 40) == 0)
            #expect(failure("\(folder)/empty")?.message.contains("1099511627776 bytes, expected a checkpoint of at most") == true)
        }
    }

    @Test func onlyTemporaryFilesOfDeadProcessesAreRemoved() async throws {
        try await withTemporaryFolder { folder in
            // 1 lives for ever; no process number is as large as the other.
            let keep = ["a.h5.tmp-1", "a.h5.tmp-", "a.h5.tmp-12x", "b.h5.tmp-2147483646"]
            for name in keep + ["a.h5.tmp-2147483646", "a.h5.tmp-\(getpid())"] {
                try Data([1]).write(to: URL(filePath: "\(folder)/\(name)"))
            }
            try Checkpoint.sample().write(to: "\(folder)/a.h5")
            #expect(try names(in: folder) == (keep + ["a.h5"]).sorted())
        }
    }

    @Test func aFileNameWithoutAFolderLiesInTheCurrentOne() async throws {
        try await withTemporaryFolder { folder in
            await #expect(processExitsWith: .success) { [folder = folder as String] in
                #expect(chdir(folder) == 0)
                try Checkpoint.sample().write(to: "a.h5")
                #expect(try Checkpoint.read(from: "a.h5") == .sample())
            }
            let found = try names(in: folder)
            #expect(found == ["a.h5"])
        }
    }
}
