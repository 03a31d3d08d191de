// SPDX-License-Identifier: Apache-2.0
private import CKernels
private import Glibc

/// softmax(Q K^T / sqrt(d)) V for several heads, in blocks: no more than a block of scores exists at a time.
///
/// Heads are slices of the channels: head h of a [N, T, heads * d] tensor is columns h d ..< (h + 1) d, read in place. Forward keeps an
/// online softmax (Milakov & Gimelshein 2018; Dao et al. 2022, arXiv 2205.14135); the gradient recomputes the scores from its log-sum-exp.
package struct Attention: Sendable {
    /// What the input gradients need: the inputs, the output and the log-sum-exp [N, heads, Tq] of the scaled scores.
    package struct Saved: Sendable {
        let query: Tensor, key: Tensor, value: Tensor, output: Tensor, logSumExp: Tensor
    }

    package let heads: Int
    /// Each token sees itself and what comes before it.
    package let isCausal: Bool

    package init(heads: Int, isCausal: Bool = false) {
        precondition(heads > 0)
        self.heads = heads
        self.isCausal = isCausal
    }

    private static let queryBlock = 256, keyBlock = 512

    package func forward(query: Tensor, key: Tensor, value: Tensor) -> Tensor {
        var saved: Saved?
        return forward(query: query, key: key, value: value, saving: &saved)
    }

    /// [N, Tq, C], [N, Tk, C], [N, Tk, C] -> [N, Tq, C].
    package func forward(query: Tensor, key: Tensor, value: Tensor, saving saved: inout Saved?) -> Tensor {
        let shape = sizes(query, key, value)
        let output = Tensor(uninitialized: query.shape)
        let logSumExp = Tensor(uninitialized: [shape.samples, heads, shape.queries])
        let blocks = (shape.queries + Self.queryBlock - 1) / Self.queryBlock
        parallel(shape.samples * heads * blocks) { task in
            let (pair, block) = (task / blocks, task % blocks)
            let (sample, head) = (pair / heads, pair % heads)
            let rows = block * Self.queryBlock..<min(shape.queries, (block + 1) * Self.queryBlock)
            let q = query.pointer + (sample * shape.queries + rows.lowerBound) * shape.channels + head * shape.depth
            let o = output.pointer + (sample * shape.queries + rows.lowerBound) * shape.channels + head * shape.depth
            let base = sample * shape.keys * shape.channels + head * shape.depth
            let scores = scratch(0, Self.queryBlock * Self.keyBlock), state = scratch(1, 3 * Self.queryBlock)
            let (maximum, sum, correction) = (state, state + Self.queryBlock, state + 2 * Self.queryBlock)
            for row in 0..<rows.count { (maximum[row], sum[row]) = (-.infinity, 0) }
            var start = 0
            let end = isCausal ? min(shape.keys, rows.upperBound) : shape.keys
            while start < end {
                let columns = start..<min(end, start + Self.keyBlock)
                multiply(
                    rows.count, columns.count, shape.depth, Operand(q, stride: shape.channels),
                    Operand(transposing: key.pointer + base + start * shape.channels, stride: shape.channels), into: scores,
                    stride: columns.count, accumulate: false)
                if isCausal { hideFuture(scores, rows: rows, columns: columns) }
                pw_softmax_block(scores, rows.count, columns.count, columns.count, shape.scale, maximum, sum, correction)
                if start > 0 { pw_scale_rows(o, correction, rows.count, shape.depth, shape.channels) }
                multiply(
                    rows.count, shape.depth, columns.count, Operand(scores, stride: columns.count),
                    Operand(value.pointer + base + start * shape.channels, stride: shape.channels), into: o, stride: shape.channels,
                    accumulate: start > 0)
                start = columns.upperBound
            }
            let lse = logSumExp.pointer + pair * shape.queries + rows.lowerBound
            for row in 0..<rows.count {
                lse[row] = maximum[row] + logf(sum[row])
                correction[row] = 1 / sum[row]
            }
            pw_scale_rows(o, correction, rows.count, shape.depth, shape.channels)
        }
        saved = Saved(query: query, key: key, value: value, output: output, logSumExp: logSumExp)
        return output
    }

    /// dL/dQ (unless not asked for), dL/dK and dL/dV from dL/dO.
    ///
    /// With P the probabilities and delta = rowsum(dO * O): dV = P^T dO, dS = P * (dO V^T - delta) / sqrt(d), dQ = dS K, dK = dS^T Q.
    package func inputGradients(
        _ outputGradient: Tensor, _ saved: Saved, needsQuery: Bool = true
    ) -> (query: Tensor?, key: Tensor, value: Tensor) {
        let (query, key, value) = (saved.query, saved.key, saved.value)
        let shape = sizes(query, key, value)
        precondition(outputGradient.count == saved.output.count, "attention gradient \(outputGradient.shape) for \(saved.output.shape)")
        let queryGradient = needsQuery ? Tensor(uninitialized: query.shape) : nil
        let keyGradient = Tensor(zeros: key.shape), valueGradient = Tensor(zeros: value.shape)
        // One task for each sample and head: the sums over blocks keep one order.
        parallel(shape.samples * heads) { pair in
            let (sample, head) = (pair / heads, pair % heads)
            let queryBase = sample * shape.queries * shape.channels + head * shape.depth
            let keyBase = sample * shape.keys * shape.channels + head * shape.depth
            let p = scratch(0, Self.queryBlock * Self.keyBlock), dp = scratch(1, Self.queryBlock * Self.keyBlock)
            let delta = scratch(2, Self.queryBlock)
            for first in stride(from: 0, to: shape.queries, by: Self.queryBlock) {
                let rows = first..<min(shape.queries, first + Self.queryBlock)
                let at = queryBase + first * shape.channels
                let (q, dO) = (query.pointer + at, outputGradient.pointer + at)
                pw_row_dots(dO, saved.output.pointer + at, delta, rows.count, shape.depth, shape.channels)
                let lse = saved.logSumExp.pointer + pair * shape.queries + first
                let end = isCausal ? min(shape.keys, rows.upperBound) : shape.keys
                for start in stride(from: 0, to: end, by: Self.keyBlock) {
                    let columns = start..<min(end, start + Self.keyBlock)
                    let offset = keyBase + start * shape.channels
                    multiply(
                        rows.count, columns.count, shape.depth, Operand(q, stride: shape.channels),
                        Operand(transposing: key.pointer + offset, stride: shape.channels), into: p, stride: columns.count,
                        accumulate: false)
                    if isCausal { hideFuture(p, rows: rows, columns: columns) }
                    pw_probabilities(p, lse, rows.count, columns.count, columns.count, shape.scale)
                    multiply(
                        columns.count, shape.depth, rows.count, Operand(transposing: p, stride: columns.count),
                        Operand(dO, stride: shape.channels), into: valueGradient.pointer + offset, stride: shape.channels, accumulate: true)
                    multiply(
                        rows.count, columns.count, shape.depth, Operand(dO, stride: shape.channels),
                        Operand(transposing: value.pointer + offset, stride: shape.channels), into: dp, stride: columns.count,
                        accumulate: false)
                    pw_score_gradient(p, dp, delta, rows.count, columns.count, columns.count, shape.scale)
                    if let queryGradient {
                        multiply(
                            rows.count, shape.depth, columns.count, Operand(dp, stride: columns.count),
                            Operand(key.pointer + offset, stride: shape.channels), into: queryGradient.pointer + at, stride: shape.channels,
                            accumulate: start > 0)
                    }
                    multiply(
                        columns.count, shape.depth, rows.count, Operand(transposing: dp, stride: columns.count),
                        Operand(q, stride: shape.channels), into: keyGradient.pointer + offset, stride: shape.channels, accumulate: true)
                }
            }
        }
        return (queryGradient, keyGradient, valueGradient)
    }

    private struct Sizes {
        let samples: Int, queries: Int, keys: Int, channels: Int, depth: Int
        let scale: Float
    }

    private func sizes(_ query: Tensor, _ key: Tensor, _ value: Tensor) -> Sizes {
        precondition(
            query.shape.count == 3 && key.shape.count == 3 && key.shape == value.shape,
            "attention of \(query.shape), \(key.shape), \(value.shape)")
        precondition(query.shape[0] == key.shape[0] && query.shape[2] == key.shape[2] && query.shape[2] % heads == 0)
        let depth = query.shape[2] / heads
        return Sizes(
            samples: query.shape[0], queries: query.shape[1], keys: key.shape[1], channels: query.shape[2], depth: depth,
            scale: 1 / Float(depth).squareRoot())
    }

    private func hideFuture(_ scores: UnsafeMutablePointer<Float>, rows: Range<Int>, columns: Range<Int>) {
        for (index, row) in rows.enumerated() where row + 1 < columns.upperBound {
            for column in max(columns.lowerBound, row + 1)..<columns.upperBound {
                scores[index * columns.count + column - columns.lowerBound] = -.infinity
            }
        }
    }
}
