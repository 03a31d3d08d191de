// SPDX-License-Identifier: Apache-2.0
private import CKernels
private import Glibc

/// softmax(Q K^T / sqrt(d)) V for several heads, in blocks: no more than a block of scores exists at a time.
///
/// Heads are slices of the channels: head h of a [N, T, heads * d] tensor is columns h d ..< (h + 1) d. Forward keeps an online softmax
/// (Milakov & Gimelshein 2018; Dao et al. 2022, arXiv 2205.14135); the gradient recomputes the scores from its log-sum-exp. Keys and values
/// are brought into panels once and shared by all blocks of queries; a block's scores stay in the second cache.
package struct Attention: Sendable {
    /// What the input gradients need: the inputs, the output and the log-sum-exp [N, heads, Tq] of the scaled scores, to base 2.
    package struct Saved: Sendable {
        fileprivate let query: KeptTensor, key: KeptTensor, value: KeptTensor, output: KeptTensor
        fileprivate let logSumExp: Tensor
    }

    package let heads: Int
    /// Each token sees itself and what comes before it.
    package let isCausal: Bool
    private let precision: ProductPrecision

    package init(heads: Int, isCausal: Bool = false, precision: ProductPrecision = .f32) {
        precondition(heads > 0)
        self.heads = heads
        self.isCausal = isCausal
        self.precision = precision
    }

    private static let queryBlock = 128, keyBlock = 256
    /// Keys whose gradients one task computes; each such task has a part of the queries' gradient, and the parts are added in order.
    ///
    /// Small enough to keep 32 threads busy with eight heads. It depends on the sizes alone.
    private static func keyChunk(_ keys: Int) -> Int { keys > 1024 ? 1024 : 256 }

    package func forward(query: Tensor, key: Tensor, value: Tensor) -> Tensor {
        var saved: Saved?
        return forward(query: query, key: key, value: value, saving: &saved)
    }

    /// [N, Tq, C], [N, Tk, C], [N, Tk, C] -> [N, Tq, C].
    package func forward(query: Tensor, key: Tensor, value: Tensor, saving saved: inout Saved?) -> Tensor {
        let shape = sizes(query, key, value), channels = shape.channels
        let output = Tensor(uninitialized: query.shape)
        let logSumExp = Tensor(uninitialized: [shape.samples, heads, shape.queries])
        let isPaired = precision.pairs(shape.depth), queries = LeftRows(query, isPaired: isPaired)
        let keys = HeadPanels(key, heads: heads, isTransposed: true, isPaired: isPaired)
        let values = HeadPanels(value, heads: heads, isTransposed: false, isPaired: isPaired)
        let blocks = (shape.queries + Self.queryBlock - 1) / Self.queryBlock
        parallel(shape.samples * heads * blocks) { task in
            let (pair, block) = (task / blocks, task % blocks)
            let rows = block * Self.queryBlock..<min(shape.queries, (block + 1) * Self.queryBlock)
            let at = shape.queryOffset(pair) + rows.lowerBound * channels
            let o = output.pointer + at
            let scores = scratch(0, Self.queryBlock * ScoreBlock.stride), state = scratch(1, 3 * Self.queryBlock)
            let (maximum, sum, correction) = (state, state + Self.queryBlock, state + 2 * Self.queryBlock)
            for row in 0..<rows.count { (maximum[row], sum[row]) = (-.infinity, 0) }
            let end = isCausal ? min(shape.keys, rows.upperBound) : shape.keys
            for start in stride(from: 0, to: end, by: Self.keyBlock) {
                let columns = start..<min(end, start + Self.keyBlock)
                Product.multiply(
                    rows.count, columns.count, shape.depth, queries.at(at, stride: channels), keys.columns(pair, from: start),
                    into: scores, stride: ScoreBlock.stride)
                if isCausal { hideFuture(scores, rows: rows, columns: columns) }
                pw_softmax_block(scores, rows.count, columns.count, ScoreBlock.stride, shape.binaryScale, maximum, sum, correction)
                if start > 0 { pw_scale_rows(o, correction, rows.count, shape.depth, channels) }
                Product.multiply(
                    rows.count, shape.depth, columns.count, ScoreBlock(scores, rows.count, columns.count, isPaired).byRows(),
                    values.rows(pair, from: start), into: o, stride: channels,
                    adding: Addends(residual: start > 0 ? UnsafePointer(o) : nil))
            }
            let lse = logSumExp.pointer + pair * shape.queries + rows.lowerBound
            for row in 0..<rows.count {
                lse[row] = maximum[row] + log2f(sum[row])
                correction[row] = 1 / sum[row]
            }
            pw_scale_rows(o, correction, rows.count, shape.depth, channels)
        }
        func kept(_ tensor: Tensor) -> KeptTensor { KeptTensor(tensor, isPaired ? .bf16 : .f32) }
        saved = Saved(query: kept(query), key: kept(key), value: kept(value), output: kept(output), logSumExp: logSumExp)
        return output
    }

    /// dL/dQ (unless not asked for), dL/dK and dL/dV from dL/dO.
    ///
    /// With P the probabilities and delta = rowsum(dO * O): dV = P^T dO, dS = P * (dO V^T - delta) / sqrt(d), dQ = dS K, dK = dS^T Q.
    package func inputGradients(
        _ outputGradient: Tensor, _ saved: Saved, needsQuery: Bool = true
    ) -> (query: Tensor?, key: Tensor, value: Tensor) {
        let (query, key, value, output) = (saved.query.tensor, saved.key.tensor, saved.value.tensor, saved.output.tensor)
        let shape = sizes(query, key, value), channels = shape.channels
        precondition(outputGradient.count == output.count, "attention gradient \(outputGradient.shape) for \(output.shape)")
        let pairs = shape.samples * heads, keyChunk = Self.keyChunk(shape.keys), chunks = (shape.keys + keyChunk - 1) / keyChunk
        let queryParts = needsQuery ? (0..<chunks).map { _ in Tensor(zeros: query.shape) } : []
        let keyGradient = Tensor(zeros: key.shape), valueGradient = Tensor(zeros: value.shape)
        let isPaired = precision.pairs(shape.depth)
        let queries = LeftRows(query, isPaired: isPaired), outputRows = LeftRows(outputGradient, isPaired: isPaired)
        let panels = GradientPanels(query, key, value, outputGradient, heads: heads, needsQuery: needsQuery, isPaired: isPaired)
        let delta = Tensor(uninitialized: [pairs, shape.queries])
        let blocks = (shape.queries + Self.queryBlock - 1) / Self.queryBlock
        parallel(pairs * blocks) { task in
            let (pair, first) = (task / blocks, task % blocks * Self.queryBlock)
            let at = shape.queryOffset(pair) + first * channels
            pw_row_dots(
                outputGradient.pointer + at, output.pointer + at, delta.pointer + pair * shape.queries + first,
                min(Self.queryBlock, shape.queries - first), shape.depth, channels)
        }
        // One task for each head and chunk of keys: the sums over blocks of queries keep one order.
        parallel(pairs * chunks) { task in
            let (pair, chunk) = (task / chunks, task % chunks)
            let keyBase = shape.keyOffset(pair), chunkEnd = min(shape.keys, (chunk + 1) * keyChunk)
            let p = scratch(0, Self.queryBlock * ScoreBlock.stride), dp = scratch(1, Self.queryBlock * ScoreBlock.stride)
            for first in stride(from: 0, to: shape.queries, by: Self.queryBlock) {
                let rows = first..<min(shape.queries, first + Self.queryBlock), at = shape.queryOffset(pair) + first * channels
                let state = pair * shape.queries + first
                let end = isCausal ? min(chunkEnd, rows.upperBound) : chunkEnd
                for start in stride(from: chunk * keyChunk, to: end, by: Self.keyBlock) {
                    let columns = start..<min(end, start + Self.keyBlock), count = columns.count
                    /// Adds a block of scores, transposed, times rows of a head.
                    func addKeys(_ scores: UnsafeMutablePointer<Float>, _ right: HeadPanels, to gradient: Tensor) {
                        let target = gradient.pointer + keyBase + start * channels
                        Product.multiply(
                            count, shape.depth, rows.count, ScoreBlock(scores, rows.count, count, isPaired).byColumns(),
                            right.rows(pair, from: first), into: target, stride: channels, adding: Addends(residual: UnsafePointer(target)))
                    }
                    Product.multiply(
                        rows.count, count, shape.depth, queries.at(at, stride: channels),
                        panels.keyColumns.columns(pair, from: start), into: p, stride: ScoreBlock.stride)
                    if isCausal { hideFuture(p, rows: rows, columns: columns) }
                    pw_probabilities(
                        p, saved.logSumExp.pointer + state, rows.count, count, ScoreBlock.stride, shape.binaryScale)
                    addKeys(p, panels.outputRows, to: valueGradient)
                    Product.multiply(
                        rows.count, count, shape.depth, outputRows.at(at, stride: channels),
                        panels.valueColumns.columns(pair, from: start), into: dp, stride: ScoreBlock.stride)
                    pw_score_gradient(p, dp, delta.pointer + state, rows.count, count, ScoreBlock.stride, shape.scale)
                    if let keyRows = panels.keyRows {
                        let target = queryParts[chunk].pointer + at
                        Product.multiply(
                            rows.count, shape.depth, count, ScoreBlock(dp, rows.count, count, isPaired).byRows(),
                            keyRows.rows(pair, from: start),
                            into: target, stride: channels, adding: Addends(residual: UnsafePointer(target)))
                    }
                    addKeys(dp, panels.queryRows, to: keyGradient)
                }
            }
        }
        return (Addition.all(queryParts), keyGradient, valueGradient)
    }

    private struct Sizes {
        let samples: Int, queries: Int, keys: Int, channels: Int, depth: Int
        let scale: Float
        /// e^(scale score) = 2^(binaryScale score).
        var binaryScale: Float { scale * 1.44269504 }

        /// Where the first query of a sample and head stands.
        func queryOffset(_ pair: Int) -> Int { offset(pair, tokens: queries) }
        func keyOffset(_ pair: Int) -> Int { offset(pair, tokens: keys) }

        private func offset(_ pair: Int, tokens: Int) -> Int {
            let heads = channels / depth
            return pair / heads * tokens * channels + pair % heads * depth
        }
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
        let scoreStride = ScoreBlock.stride
        for (index, row) in rows.enumerated() where row + 1 < columns.upperBound {
            for column in max(columns.lowerBound, row + 1)..<columns.upperBound {
                scores[index * scoreStride + column - columns.lowerBound] = -.infinity
            }
        }
    }
}
