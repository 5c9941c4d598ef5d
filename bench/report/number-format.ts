/** Three significant digits at most, thousands separated: 31,200 · 24.1 · 0.21. */
export function formatNumber(value: number): string {
  if (!Number.isFinite(value)) return '–';
  if (value >= 1000) {
    const unit = 10 ** (Math.floor(Math.log10(value)) - 2);
    return (Math.round(value / unit) * unit).toLocaleString('en-US', { maximumFractionDigits: 0 });
  }
  if (value >= 100) return value.toFixed(0);
  return value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

/** `1.34×`; empty where there is nothing to compare with. */
export function formatRatio(value: number, base: number | undefined): string {
  if (base === undefined || !Number.isFinite(value) || !Number.isFinite(base) || base === 0) return '';
  return `${(value / base).toFixed(2)}×`;
}

export const MEBIBYTE = 2 ** 20;
