// SPDX-License-Identifier: Apache-2.0

import Coordination
import Foundation
import Glibc
import SwiftProtobuf
import Testing
import WireMessages

@testable import Fleet

/// Results that wait on a worker's disk for their acknowledgement.
struct OutboxTests {
    private let bench: Bench
    private var folder: URL { bench.folder.appendingPathComponent("outbox/of-a-coordinator") }

    init() throws { bench = try Bench() }

    private func segment(attempt: Int = 1) throws -> WireEnvelope.OneOf_Payload {
        let request = try FakeTrainer.request(FakeStudy(), to: 10)
        let outcome = try FakeTrainer(secondsPerStep: 0).train(request, report: { _ in }, isCancelled: { false })
        let lease = LeaseID(.train(TrialID(study: StudyID(1), index: 0)), attempt: attempt)
        return .segmentResult(try WireSegmentResult(outcome, of: request, lease: lease.wire))
    }

    private var piece: WireEnvelope.OneOf_Payload {
        var result = WirePieceResult()
        result.lease = LeaseID(.encode(StudyID(1), part: 3), attempt: 1).wire
        result.blob.digest = Data(count: 32)
        result.blob.bytes = 5
        return .pieceResult(result)
    }

    private var files: [String] { ((try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []).sorted() }

    private func name(_ payload: WireEnvelope.OneOf_Payload) -> String { payload.resultLease?.fileName ?? "" }

    @Test func whatIsKeptIsFoundByAnotherWorkerUntilItIsRemoved() throws {
        let outbox = Outbox(folder: folder)
        #expect(outbox.leftovers().isEmpty)
        let (segment, piece) = (try segment(), piece)
        try outbox.keep(segment, as: name(segment))
        try outbox.keep(piece, as: name(piece))
        #expect(files == ["encode-1-0-0-3-1.result", "train-1-0-0-0-1.result"])
        let other = Outbox(folder: folder)
        #expect(other.leftovers() == [piece, segment])
        #expect(other.leftovers().map(\.resultStep) == [0, 10])
        other.remove(name(piece))
        other.remove("nothing")
        #expect(outbox.leftovers() == [segment])
        outbox.remove(name(segment))
        #expect(files.isEmpty)
    }

    @Test func aResultIsReplacedWhole() throws {
        let outbox = Outbox(folder: folder)
        try outbox.keep(piece, as: "train-1")
        let segment = try segment()
        try outbox.keep(segment, as: "train-1")
        #expect(outbox.leftovers() == [segment] && files == ["train-1.result"])
        let mode = try FileManager.default.attributesOfItem(atPath: folder.appendingPathComponent("train-1.result").path)[.posixPermissions]
        #expect(mode as? Int == 0o600)
    }

    @Test func damagedFilesAreRemovedAndOthersAreLeftAlone() throws {
        let outbox = Outbox(folder: folder)
        let segment = try segment()
        try outbox.keep(segment, as: "good")
        let good = try Data(contentsOf: folder.appendingPathComponent("good.result"))
        let wrong = try WireEnvelope(.segmentResult(WireSegmentResult())).serializedData() as Data
        for (name, data) in [
            ("empty.result", Data()), ("cut.result", good.prefix(good.count / 2)), ("noise.result", Data(repeating: 0xFF, count: 500)),
            ("wrong.result", wrong), ("notes.txt", Data("mine".utf8)), ("train-2.7.tmp", good),
        ] { try Data(data).write(to: folder.appendingPathComponent(name)) }
        #expect(outbox.leftovers() == [segment])
        #expect(files == ["good.result", "notes.txt", "train-2.7.tmp"])
    }

    @Test func aFolderThatCannotBeWrittenSaysSoAndKeepsWhatWasThere() throws {
        let file = bench.folder.appendingPathComponent("file")
        try Data().write(to: file)
        #expect(throws: (any Error).self) { try Outbox(folder: file.appendingPathComponent("outbox")).keep(piece, as: "a") }
        // A full disk, as far as anybody but root can tell: /dev/full refuses every byte.
        let full = bench.folder.appendingPathComponent("full")
        try FileManager.default.createDirectory(at: full, withIntermediateDirectories: true)
        let temporary = full.appendingPathComponent("a.\(ProcessInfo.processInfo.processIdentifier).tmp")
        try FileManager.default.createSymbolicLink(atPath: temporary.path, withDestinationPath: "/dev/full")
        let error = #expect(throws: (any Error).self) { try Outbox(folder: full).keep(piece, as: "a") }
        #expect((error as NSError?)?.code == Int(ENOSPC))
        #expect(try FileManager.default.contentsOfDirectory(atPath: full.path).isEmpty)
    }

    @Test func withoutAFolderNothingIsKept() throws {
        let outbox = Outbox(folder: nil)
        try outbox.keep(piece, as: "a")
        outbox.remove("a")
        #expect(outbox.leftovers().isEmpty)
    }
}
