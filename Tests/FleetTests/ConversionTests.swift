// SPDX-License-Identifier: Apache-2.0

import Coordination
import Foundation
import Testing
import WireMessages

@testable import Fleet

struct ConversionTests {
    private static let trial = TrialID(study: StudyID(16_777_215), index: 1_048_575)

    @Test(arguments: [
        Work.train(trial), .gradient(trial, step: 9_999_999, slice: 4095), .evaluate(trial, step: 0, slice: 0),
        .encode(trial.study, part: 1249), .preview(trial, step: 50),
    ])
    func leasesReadBackFromTheWire(work: Work) {
        let lease = LeaseID(work, attempt: 5_000_000)
        #expect(LeaseID(lease.wire) == lease)
        #expect(lease.wire.study == 16_777_215 && lease.wire.attempt == 5_000_000)
        var damaged = lease.wire
        damaged.attempt = 0
        #expect(LeaseID(damaged) == nil)
        (damaged.attempt, damaged.study) = (1, 0)
        #expect(LeaseID(damaged) == nil)
        (damaged.study, damaged.kind) = (1, .UNRECOGNIZED(9))
        #expect(LeaseID(damaged) == nil)
    }

    @Test func aResultIsReportedUnderItsOwnDigest() throws {
        let request = try FakeTrainer.request(FakeStudy(), to: 10)
        let outcome = try FakeTrainer(secondsPerStep: 0).train(request, report: { _ in }, isCancelled: { false })
        let lease = LeaseID(.train(TrialID(study: StudyID(1), index: 0)), attempt: 2)
        let result = try WireSegmentResult(outcome, of: request, lease: lease.wire)
        let report = try SegmentReport(result, from: WorkerID("w"))
        #expect(report.lease == lease && report.fromStep == 0 && report.toStep == 10 && !report.finished)
        #expect(report.digest == result.digest.hexadecimal && report.loss == outcome.history.last?.loss)
        #expect(report.best == outcome.state.best.map { Best(loss: $0.loss, step: $0.step) })
        var damaged = result
        damaged.after.embedding[0] ^= 1
        #expect(throws: WireError.self) { try SegmentReport(damaged, from: WorkerID("w")) }
        damaged = result
        damaged.lease.kind = .preview
        #expect(throws: WireError.self) { try SegmentReport(damaged, from: WorkerID("w")) }
        damaged = result
        damaged.history.removeLast()
        #expect(throws: WireError.self) { try SegmentReport(damaged, from: WorkerID("w")) }
    }

    @Test func aLossThatIsNoNumberIsANumericFailure() throws {
        let request = try FakeTrainer.request(FakeStudy(), to: 3)
        var outcome = try FakeTrainer(secondsPerStep: 0).train(request, report: { _ in }, isCancelled: { false })
        outcome.history[1].loss = .nan
        let failure = #expect(throws: SegmentFailure.self) { try WireSegmentResult(outcome, of: request, lease: WireLease()) }
        #expect(failure?.kind == .numeric && failure?.message.contains("step 2") == true)
    }

    @Test func anOutcomeForOtherStepsIsTheTrainersFault() throws {
        let request = try FakeTrainer.request(FakeStudy(), to: 3)
        var outcome = try FakeTrainer(secondsPerStep: 0).train(request, report: { _ in }, isCancelled: { false })
        outcome.state.step = 2
        let failure = #expect(throws: SegmentFailure.self) { try WireSegmentResult(outcome, of: request, lease: WireLease()) }
        #expect(failure?.kind == .internal)
    }

    @Test func aSliceIsSentOnlyIfItIsFiniteAndHasItsDigests() throws {
        let digest = [UInt8](repeating: 1, count: 32)
        let good = SliceOutcome(losses: [1], gradient: [2], modelDigest: digest, dataDigest: digest, cpu: "c")
        let wire = try WireSliceResult(good, seconds: .nan, lease: WireLease())
        #expect(wire.digest == wire.contentDigest && wire.seconds == 0 && wire.losses == [1] && !wire.hasInitial)
        let bad: [(SegmentFailure.Kind, (inout SliceOutcome) -> Void)] = [
            (.internal, { $0.losses = [] }), (.internal, { $0.dataDigest = [] }), (.numeric, { $0.losses = [.infinity] }),
            (.numeric, { $0.gradient = [.nan] }),
        ]
        for (kind, change) in bad {
            var outcome = good
            change(&outcome)
            #expect(throws: SegmentFailure.self) { try WireSliceResult(outcome, seconds: 1, lease: WireLease()) }
            do { _ = try WireSliceResult(outcome, seconds: 1, lease: WireLease()) } catch { #expect(error.kind == kind) }
        }
    }

    @Test func hexadecimalTextReadsBack() {
        let data = Data(0...255)
        #expect(Data(hexadecimal: data.hexadecimal) == data && Data(hexadecimal: "") == Data())
        for text in ["0", "0g", "0A", " 00", "é0"] { #expect(Data(hexadecimal: text) == nil) }
    }
}
