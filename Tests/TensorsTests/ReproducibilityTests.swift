import OperationCases
// SPDX-License-Identifier: Apache-2.0
import Tensors
import Testing

/// The number of threads belongs to the whole process, so these run one after the other.
///
/// Tests of other suites may set it meanwhile; the bits must not care.
@Suite(.serialized) struct ReproducibilityTests {
    private func run(_ item: OperationCase) -> [[UInt32]] {
        let pass = item.forward(item.makeInputs())
        let gradients = pass.inputGradients(item.makeOutputGradient(shape: pass.output.shape))
        return ([pass.output] + gradients).map { tensor in tensor.values.map(\.bitPattern) }
    }

    @Test func theNumberOfThreadsDoesNotChangeABit() {
        defer { Compute.setThreads(1) }
        let cases = OperationTable.checked
        Compute.setThreads(1)
        let expected = cases.map(run)
        for threads in [2, 3, 5, 2, 1] {
            Compute.setThreads(threads)
            for (item, bits) in zip(cases, expected) { #expect(run(item) == bits, "\(item) with \(threads) threads") }
        }
    }

    @Test func severalCallersAtOnceGetTheSameBits() async {
        defer { Compute.setThreads(1) }
        let cases = OperationTable.checked.filter { $0.work.forward > 2e6 }
        Compute.setThreads(1)
        let expected = cases.map(run)
        Compute.setThreads(3)
        await withTaskGroup(of: [Bool].self) { group in
            for _ in 0..<3 { group.addTask { zip(cases, expected).map { run($0) == $1 } } }
            for await same in group { #expect(!same.contains(false)) }
        }
    }

    /// Threads that come and go between operations must not be counted twice.
    @Test func changingTheNumberOfThreadsLosesNoWork() {
        defer { Compute.setThreads(1) }
        var wrong = 0
        for round in 0..<1000 {
            Compute.setThreads([3, 2, 4, 2, 8, 2 + round % 16][round % 6])
            // Another number in every round: memory that was not written holds an old one.
            var sum = Tensor([Float](repeating: Float(round), count: 1 << 19), shape: [1 << 19])
            for _ in 0..<3 { sum = Addition.forward(sum, sum) }
            if !sum.withValues({ $0.allSatisfy { $0 == Float(8 * round) } }) { wrong += 1 }
        }
        #expect(wrong == 0)
    }

    /// In a process of its own, where no other test sets the number.
    @Test func thereIsAlwaysAtLeastOneThread() async {
        await #expect(processExitsWith: .success) {
            for (count, expected) in [(3, 3), (0, 1), (2, 2), (-3, 1), (Int.min, 1), (Int.max, 256)] {
                Compute.setThreads(count)
                precondition(Compute.threads == expected)
            }
        }
    }
}
