// SPDX-License-Identifier: Apache-2.0
import Tensors
import Testing

struct RandomDrawsTests {
    private func draws(seed: UInt64 = 1, trial: Int = 0, step: Int = 0, sample: Int = 0, _ stream: RandomStream = .noise) -> RandomDraws {
        RandomDraws(seed: seed, trial: trial, step: step, sample: sample, stream: stream)
    }

    @Test func aPlaceIsTheCounterAndTheSeedIsTheKey() {
        let block = RandomDraws(seed: 0x299f_31d0_a409_3822, trial: 3, step: 7, sample: 5, stream: .noise).block(9)
        let expected = Philox.block(counter: (9, 6 << 24 | 5, 7, 3), key: (0xa409_3822, 0x299f_31d0))
        #expect(block == expected)
    }

    @Test func everyPartOfThePlaceChangesTheNumbers() {
        let all = [
            draws(), draws(seed: 2), draws(seed: 1 << 32 | 1), draws(trial: 1), draws(step: 1), draws(sample: 1), draws(.posterior),
            draws(sample: 1 << 24 - 1), draws(step: Int(UInt32.max)), draws(trial: Int(UInt32.max)),
        ]
        #expect(Set(all.map { $0.uniform() }).count == all.count)
        #expect(Set(all.map { $0.normals(1) }).count == all.count)
    }

    @Test func streamNumbersStayWhatTheyAre() {
        let streams: [RandomStream] = [
            .picture, .prompt, .flip, .posterior, .timestep, .noise, .initialization, .sampler, .weights, .evaluation,
        ]
        #expect(streams.map(\.rawValue) == [1, 2, 3, 4, 5, 6, 7, 8, 9, 16])
    }

    /// The bits of every study rest on these, so they may never change.
    ///
    /// Computed by another program from the published algorithms.
    @Test func theFirstNumbersStayWhatTheyAre() {
        let draws = RandomDraws(seed: 0, stream: .noise)
        #expect(draws.permutation(8) == [6, 4, 3, 0, 5, 7, 2, 1])
        #expect(draws.uniform(0) == 0.44129062132221963)
        #expect(draws.normals(6).map { ($0 * 1e4).rounded() } == [-9832, -8181, 6647, -1885, 13225, 14573])
    }

    @Test func fewerNormalsAreThePrefixOfMore() {
        let many = draws().normals(101)
        for count in [0, 1, 2, 3, 4, 5, 100] { #expect(draws().normals(count) == Array(many.prefix(count))) }
    }

    @Test func uniformNumbersHaveTheirMoments() {
        let values = (0..<40_000).map { draws().uniform($0) }
        #expect(values.allSatisfy { (0..<1).contains($0) })
        let mean = values.reduce(0, +) / 40_000, variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 40_000
        // Four standard errors.
        #expect(abs(mean - 0.5) < 0.006)
        #expect(abs(variance - 1.0 / 12) < 0.0015)
        let cells = Dictionary(grouping: values) { Int($0 * 10) }
        #expect(cells.count == 10 && cells.values.allSatisfy { abs($0.count - 4000) < 240 })
    }

    @Test func normalNumbersHaveTheirMoments() {
        let values = draws().normals(100_000).map(Double.init)
        func moment(_ power: Int) -> Double {
            values.reduce(0) { sum, value in sum + (0..<power).reduce(1.0) { product, _ in product * value } } / Double(values.count)
        }
        // Four standard errors: sqrt(1, 2, 15, 96) / sqrt(n).
        #expect(abs(moment(1)) < 0.0127)
        #expect(abs(moment(2) - 1) < 0.018)
        #expect(abs(moment(3)) < 0.049)
        #expect(abs(moment(4) - 3) < 0.124)
        let lagged = zip(values, values.dropFirst()).reduce(0) { $0 + $1.0 * $1.1 } / Double(values.count)
        #expect(abs(lagged) < 0.0127)
        #expect(values.allSatisfy { abs($0) < 7 })
    }

    @Test func wholeNumbersStayBelowTheirBound() {
        let values = (0..<6000).map { draws().integer(below: 6, $0) }
        #expect(values.allSatisfy { (0..<6).contains($0) })
        for face in 0..<6 { #expect(abs(values.count { $0 == face } - 1000) < 120) }
        #expect((0..<50).allSatisfy { draws().integer(below: 1, $0) == 0 })
    }

    @Test func aPermutationHoldsEveryNumberOnce() {
        for count in [0, 1, 2, 3, 17, 1000] { #expect(draws().permutation(count).sorted() == Array(0..<count)) }
    }

    @Test func permutationsAreAllAboutEquallyLikely() {
        var counts: [[Int]: Int] = [:]
        for step in 0..<6000 { counts[draws(step: step).permutation(3), default: 0] += 1 }
        #expect(counts.count == 6)
        #expect(counts.values.allSatisfy { abs($0 - 1000) < 120 })
    }
}
