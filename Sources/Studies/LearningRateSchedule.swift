// SPDX-License-Identifier: Apache-2.0

import PortableMath

/// The learning rate of every step: a pure function of the step, so that a resumed run takes up exactly where it left.
package struct LearningRateSchedule: Equatable, Sendable {
    /// A stretch of steps, `from` up to but not including `until`, with one rate.
    package struct Segment: Equatable, Sendable {
        package let from: Int
        package let until: Int
        package let rate: Double
    }

    private enum Form: Equatable {
        case segments([Segment])
        case constant(base: Double, warmup: Int)
        case cosine(base: Double, warmup: Int)
    }

    private let form: Form
    /// The first step that has a rate.
    package let startStep: Int
    package let maximumSteps: Int

    /// Reads AUTOMATIC1111's `rate[:step]` list with its meaning.
    ///
    /// `rate:step` holds before that step (counted from 0), `rate` and `rate:-1` hold to the end. Training ends early where the last entry
    /// does. A scheduler looks at its list once a step, so an entry that ends before the previous one still holds for one step.
    /// Unlike AUTOMATIC1111, entries that can never be reached must be well-formed too.
    ///
    /// - Parameter startStep: entries that end at or before it are dropped, as AUTOMATIC1111 does when it resumes.
    ///   That may disagree with an uninterrupted run when the steps do not ascend; to resume, make the schedule with the default and ask it
    ///   for later steps.
    /// - Throws: `StudyError` with code `.invalidSchedule`.
    package init(grammar: String, maximumSteps: Int, startStep: Int = 0) throws {
        precondition(maximumSteps > 0 && startStep >= 0, "a schedule needs at least one step")
        self.startStep = startStep
        self.maximumSteps = maximumSteps
        var segments = [Segment]()
        var from = startStep
        for entry in try RateGrammar.entries(grammar, maximumSteps: maximumSteps, startStep: startStep) where from < maximumSteps {
            let until = min(maximumSteps, max(entry.end, from + 1))
            segments.append(Segment(from: from, until: until, rate: entry.rate))
            from = until
        }
        form = .segments(segments)
    }

    /// The schedule of a study's learning rate over its steps.
    package init(_ rate: LearningRate, maximumSteps: Int) throws {
        switch rate {
        case .grammar(let text):
            try self.init(grammar: text, maximumSteps: maximumSteps)
        case .constant(let base, let warmup):
            self.init(form: .constant(base: base, warmup: warmup), maximumSteps: maximumSteps)
        case .cosine(let base, let warmup):
            self.init(form: .cosine(base: base, warmup: warmup), maximumSteps: maximumSteps)
        }
    }

    private init(form: Form, maximumSteps: Int) {
        precondition(maximumSteps > 0, "a schedule needs at least one step")
        self.form = form
        startStep = 0
        self.maximumSteps = maximumSteps
    }

    /// The step at which training ends; it is not trained any more.
    package var finish: Int {
        switch form {
        case .segments(let segments): segments.last?.until ?? startStep
        case .constant, .cosine: maximumSteps
        }
    }

    /// The grammar's stretches of constant rate in order; empty for the other forms.
    package var trace: [Segment] {
        if case .segments(let segments) = form { return segments }
        return []
    }

    /// The rate of a step counted from 0; nil before the start and from `finish` on.
    package func rate(at step: Int) -> Double? {
        guard step >= startStep, step < finish else { return nil }
        switch form {
        case .segments(let segments):
            return segments.first { step < $0.until }?.rate
        case .constant(let base, let warmup):
            return base * LearningRateSchedule.warmup(step, warmup)
        case .cosine(let base, let warmup):
            guard step >= warmup else { return base * LearningRateSchedule.warmup(step, warmup) }
            let progress = Double(step - warmup) / Double(max(1, maximumSteps - warmup))
            return base * max(0, 0.5 * (1 + PortableMath.cos(Double.pi * progress)))
        }
    }

    /// The rate of a step, or the last one when the schedule has ended: what a gradient limit does.
    package func held(at step: Int) -> Double {
        rate(at: min(max(step, startStep), finish - 1)) ?? 0
    }

    /// Grows evenly to 1, which it reaches at step `warmup` as in diffusers.
    ///
    /// There the rate starts at 0, which spends the first step on nothing.
    private static func warmup(_ step: Int, _ warmup: Int) -> Double {
        step < warmup ? Double(step + 1) / Double(warmup + 1) : 1
    }
}

/// The text form of a schedule.
enum RateGrammar {
    struct Entry: Equatable {
        let rate: Double
        let end: Int
    }

    /// More entries than a person writes.
    private static let maximumEntries = 1000

    /// The entries that count, each with the step at which it ends.
    static func entries(_ text: String, maximumSteps: Int, startStep: Int) throws -> [Entry] {
        func failure(_ message: String) -> StudyError {
            StudyError(.invalidSchedule, source: "schedule \(Text.quoted(text))", message)
        }
        let pieces = text.split(separator: ",", omittingEmptySubsequences: true)
        guard pieces.count <= maximumEntries else { throw failure("has \(pieces.count) entries, expected at most \(maximumEntries)") }
        var entries = [Entry]()
        var isComplete = false
        for piece in pieces.map(Text.trimmed) where !piece.isEmpty {
            let expected = "in \(Text.quoted(piece)), expected entries such as \"0.005:500\" or \"1e-3\""
            let parts = piece.split(separator: ":", omittingEmptySubsequences: false).map(Text.trimmed)
            guard parts.count <= 2 else { throw failure("found \(parts.count - 1) colons \(expected)") }
            guard let rate = Setting.number(parts[0]), rate.isFinite, rate >= 0 else {
                throw failure("found \(Text.quoted(parts[0])) for the rate \(expected)")
            }
            var end = -1
            if parts.count == 2 {
                guard let step = Int(parts[1]), step >= -1 else { throw failure("found \(Text.quoted(parts[1])) for the step \(expected)") }
                end = step
            }
            if isComplete { continue }
            if end == -1 {
                entries.append(Entry(rate: rate, end: maximumSteps))
                isComplete = true
            } else if end > startStep {
                entries.append(Entry(rate: rate, end: min(end, maximumSteps)))
                isComplete = end > maximumSteps
            }
        }
        guard !entries.isEmpty else {
            throw failure("has no entry after step \(startStep), expected entries such as \"0.005:500\" or \"1e-3\"")
        }
        return entries
    }
}
