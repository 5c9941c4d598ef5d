import { median } from '../measure/percentiles.js';
import { formatNumber } from './number-format.js';
import { describeGoal, type SpecialFigure } from './results.js';

/** A table of figures: median, range and goal. */
export function figureRows(figures: readonly SpecialFigure[]): string[][] {
  return [
    ['', 'measured', 'range', 'goal'],
    ...figures.map((figure) => {
      const { name, unit, values, note = '' } = figure;
      const [min, max] = [Math.min(...values), Math.max(...values)];
      const range = min === max ? '' : `${formatNumber(min)}–${formatNumber(max)}`;
      const measured = `${formatNumber(median(values))} ${unit}`;
      return [name, measured, range, describeGoal(figure) || note];
    }),
  ];
}
