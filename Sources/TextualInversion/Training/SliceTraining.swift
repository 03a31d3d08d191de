// SPDX-License-Identifier: Apache-2.0
private import StableDiffusion
private import Studies
import Tensors

/// Parts of a step and of an evaluation, for trials whose samples are spread over machines.
extension InversionSession {
    /// How many slices a step has: its microbatches.
    package var sliceCount: Int { course.sliceCount }

    /// How many slices an evaluation has.
    package var evaluationSliceCount: Int { course.evaluationSliceCount }

    /// One slice of a step's losses and gradient.
    ///
    /// - Parameters:
    ///   - vectors: the trial's vectors before the step, [rows * width].
    ///   - step: steps done so far.
    ///   - slice: 0 ..< `sliceCount`.
    /// - Throws: `InversionError` when there is no such step or slice, or the vectors do not fit.
    package func gradientSlice(vectors: [Float], step: Int, trial: Int, slice: Int) throws -> GradientSlice {
        guard (0..<sliceCount).contains(slice) else {
            throw InversionError(.input, "slice \(slice) of a step, expected 0 to \(sliceCount - 1)")
        }
        return try gradient(tensor(vectors), stepDraws(step: step, trial: trial), slice)
    }

    /// The losses of one slice of the fixed evaluation set.
    ///
    /// - Parameter slice: 0 ..< `evaluationSliceCount`; the losses of all, one after the other, go to `TrainingCourse.recordEvaluation`.
    /// - Throws: `InversionError` when there is no such slice, or the vectors do not fit.
    package func evaluationSlice(vectors: [Float], slice: Int) throws -> [Double] {
        guard (0..<evaluationSliceCount).contains(slice) else {
            throw InversionError(.input, "slice \(slice) of an evaluation, expected 0 to \(evaluationSliceCount - 1)")
        }
        return evaluationSet.losses(model, vectors: try tensor(vectors), batch: slice)
    }

    /// The random choices of one step.
    struct StepDraws {
        let draws: SampleDraws
        let step: Int
        let samples: [Sample]
    }

    func stepDraws(step: Int, trial: Int) throws -> StepDraws {
        guard (0..<course.finish).contains(step) else {
            throw InversionError(.input, "step \(step), expected 0 to \(course.finish - 1): the trial ends there")
        }
        guard (0...Int(UInt32.max)).contains(trial) else { throw InversionError(.input, "trial \(trial) is out of range") }
        let draws = SampleDraws(seed: study.training.seed, trial: trial, batch: study.training.batch, flip: study.data.flip)
        let samples = draws.samples(
            step: step, pictures: dataSet.items.count, templates: prompts[0].count, timesteps: model.schedule.timestepCount)
        return StepDraws(draws: draws, step: step, samples: samples)
    }

    func tensor(_ vectors: [Float]) throws -> Tensor {
        let rows = study.pseudoword.vectors
        guard vectors.count == rows * width else {
            throw InversionError(.input, "\(vectors.count) values for \(rows) vectors of width \(width)")
        }
        return Tensor(vectors, shape: [rows, width])
    }

    func gradient(_ vectors: Tensor, _ place: StepDraws, _ slice: Int) -> GradientSlice {
        let (draws, step, samples) = (place.draws, place.step, place.samples)
        let shape = [1] + dataSet.latentSize + [4], range = course.samples(ofSlice: slice)
        let latents = range.map { index in
            let sample = samples[index], item = dataSet.items[sample.picture]
            let noise = draws.posteriorNoise(study.data.latents, step: step, sample: index, picture: sample.picture, shape: shape)
            let moments = sample.isFlipped ? item.flipped ?? item.moments : item.moments
            return moments.latents(noise: noise, scalingFactor: dataSet.scalingFactor)
        }
        let batch = NoisedBatch(
            schedule: model.schedule, tokens: range.map { prompts[samples[$0].picture][samples[$0].template] },
            latents: Tensor(stacking: latents),
            noise: Tensor(stacking: range.map { draws.noise(step: step, sample: $0, shape: shape) }),
            timesteps: range.map { samples[$0].timestep })
        let part = model.gradient(batch, vectors: vectors, factor: 1 / Float(study.training.batch))
        return GradientSlice(losses: part.losses, gradient: part.gradient.values)
    }
}
