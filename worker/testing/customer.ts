/** A record that the churn models accept. */
export const CUSTOMER = {
  tenure_months: 14,
  contract: 'month-to-month',
  monthly_charges: 74.95,
  total_charges: 1012.4,
  payment_method: 'electronic-check',
  internet_service: 'fiber',
  support_calls: 2,
  data_usage_gb: 212.5,
  paperless_billing: true,
}
